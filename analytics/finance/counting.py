"""How many rows each of several querysets has, asked in one statement.

Django takes a millisecond to put one such question together, and finance's first page asks thirty
that are the same each time: their statement is worked out once for a process.
"""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from django.db import connection
from django.db.models import QuerySet

Rows = QuerySet[Any, Any]


class Counts:
    def __init__(self, rows: Callable[[], Mapping[str, Rows]]) -> None:
        """`rows` gives querysets by name; none may depend on the time or on who asks."""
        self._rows = rows

    @cached_property
    def _asked(self) -> tuple[list[str], str, list[Any]]:
        names: list[str] = []
        parts: list[str] = []
        values: list[Any] = []
        for name, rows in self._rows().items():
            one_column = rows if rows.query.values_select else rows.values("pk")
            text, given = one_column.order_by().query.sql_with_params()
            names.append(name)
            parts.append(f"(SELECT count(*) FROM ({text}) AS counted)")  # noqa: S608 - Django's own
            values += given
        return names, f"SELECT {', '.join(parts)}", values

    def __call__(self) -> dict[str, int]:
        names, statement, values = self._asked
        with connection.cursor() as cursor:
            cursor.execute(statement, values)
            found = cursor.fetchone() or ()
        return dict(zip(names, found, strict=True))
