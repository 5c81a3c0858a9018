"""How many rows each of several querysets has, asked in one statement.

Django takes a millisecond to put one such question together, and finance's first page asks thirty
that are the same each time: their statement is worked out once for a process.
"""

from collections.abc import Callable, Mapping
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from billing.compiled import SqlStatement, stand_ins_for

Rows = QuerySet[Any, Any]


class Counts:
    def __init__(self, rows: Callable[..., Mapping[str, Rows]]) -> None:
        """`rows` gives querysets by name, for values as those of a `CompiledQuery`, which it must
        not look at; nor may they depend on the time or on who asks."""
        self._rows = rows
        self._asked: tuple[list[str], SqlStatement] | None = None

    def _made(self, values: tuple[Any, ...]) -> tuple[list[str], SqlStatement]:
        names: list[str] = []
        parts: list[str] = []
        parameters: list[Any] = []
        stand_ins = stand_ins_for(values)
        for name, rows in self._rows(*stand_ins).items():
            one_column = rows if rows.query.values_select else rows.values("pk")
            text, given = one_column.order_by().query.sql_with_params()
            names.append(name)
            parts.append(f"(SELECT count(*) FROM ({text}) AS counted)")  # noqa: S608 - Django's own
            parameters += given
        return names, SqlStatement.of(f"SELECT {', '.join(parts)}", parameters, stand_ins)

    def __call__(self, *values: Any) -> dict[str, int]:
        if self._asked is None:
            self._asked = self._made(values)
        names, statement = self._asked
        with connection.cursor() as cursor:
            cursor.execute(statement.sql, statement.given(values))
            found = cursor.fetchone() or ()
        return dict(zip(names, found, strict=True))
