"""Querysets whose SQL is made once in a process, for pages that people ask for all the time.

Django makes a queryset's SQL anew each time that it is asked for: half a millisecond for a look-up
by a key, two for joins and annotations, which is more than PostgreSQL takes to answer, and was a
third of what a page took. The SQL is the same each time but for the values in it (ADR 52), and is
prepared on the server (ADR 59).
"""

import datetime as dt
from collections.abc import Callable, Sequence
from copy import copy
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID

from django.db import connections, router
from django.db.models import Aggregate, Model, QuerySet, Value

from billing.prepared import page_cursor

T = TypeVar("T")

# What stands for the values when the SQL is made; nothing else in a query is like them.
_STAND_INS: dict[type, Callable[[int], Any]] = {
    UUID: lambda place: UUID(int=0xC0_4711_0000 + place),
    dt.datetime: lambda place: dt.datetime(1001, 1, 1, 1, 1, 1, 4711 + place, tzinfo=dt.UTC),
    int: lambda place: 0x4711_0000 + place,
    dt.date: lambda place: dt.date(1001, 1, 1) + dt.timedelta(days=place),
    str: lambda place: f"compiled-{place}",
}


class SqlStatement(NamedTuple):
    """SQL for some values, whatever they are."""

    sql: str
    # Of each parameter either itself, or which of the values it is.
    parameters: Sequence[Any]
    places: Sequence[int | None]

    @classmethod
    def of(cls, sql: str, parameters: Sequence[Any], stand_ins: Sequence[Any]) -> "SqlStatement":
        """From what Django made of `stand_ins`."""
        kinds = tuple(map(type, stand_ins))
        places = [
            stand_ins.index(each) if isinstance(each, kinds) and each in stand_ins else None
            for each in parameters
        ]
        if lost := set(range(len(stand_ins))) - set(places):
            raise ValueError(f"Of the values of a compiled query, {lost} are not in its SQL.")
        return cls(sql, parameters, places)

    def given(self, values: Sequence[Any]) -> tuple[Any, ...]:
        """The parameters for them."""
        return tuple(
            parameter if place is None else values[place]
            for parameter, place in zip(self.parameters, self.places, strict=True)
        )


def stand_ins_for(values: Sequence[Any]) -> list[Any]:
    return [_STAND_INS[type(value)](place) for place, value in enumerate(values)]


class _Compiled(NamedTuple):
    queryset: QuerySet[Any]
    compiler: Any
    statement: SqlStatement
    converters: dict[int, Any]


class CompiledQuery(Generic[T]):
    """`make` gives a queryset for some values; called with such, it gives what that would hold.

    Values are UUIDs, times, days, texts and whole numbers. `make` must not look at them, nor at
    anything that changes, such as the time or the language: its SQL is kept. Of a model give the
    key, and each value of a list by itself.

    The server plans it once for all values, unless `plan_each`: where the plan that is right for
    the rows of one workspace is wrong for those of another.
    """

    def __init__(self, make: Callable[..., QuerySet[Any, T]], *, plan_each: bool = False) -> None:
        self._make, self._plan_each = make, plan_each
        self._compiled: dict[tuple[type, ...], _Compiled] = {}

    def __call__(self, *values: Any) -> list[T]:
        kinds = tuple(map(type, values))
        compiled = self._compiled.get(kinds)
        if compiled is None:
            compiled = self._compiled[kinds] = self._compile(stand_ins_for(values))
        model: type[Model] = compiled.queryset.model
        using = router.db_for_read(model)
        compiler = copy(compiled.compiler)
        compiler.connection = connections[using]
        compiler.execute_sql = lambda *_, **__: [self._rows(compiled.statement, compiler, values)]
        compiler.get_converters = lambda _: compiled.converters
        found = type(compiled.queryset)(model)
        found.__dict__ |= compiled.queryset.__dict__ | {
            "_query": _Asked(compiled.queryset.query, compiler),
            "_db": using,
        }
        return list(found)

    def first(self, *values: Any) -> T | None:
        """The first of them; `make` says that no more than one is wanted."""
        found = self(*values)
        return found[0] if found else None

    def one(self, *values: Any) -> T:
        """The only one, of what always has one, such as `aggregated`."""
        (found,) = self(*values)
        return found

    def _rows(self, statement: SqlStatement, compiler: Any, values: Sequence[Any]) -> list[Any]:
        on = compiler.connection
        with on.cursor() if self._plan_each else page_cursor(on) as cursor:
            cursor.execute(statement.sql, statement.given(values))
            rows: list[Any] = cursor.fetchall()
        # What is only sorted by comes last, and is nobody's.
        return [row[: compiler.col_count] for row in rows] if compiler.has_extra_select else rows

    def _compile(self, stand_ins: Sequence[Any]) -> _Compiled:
        queryset = self._make(*stand_ins)
        compiler = queryset.query.get_compiler(queryset.db)
        sql, parameters = compiler.as_sql()
        statement = SqlStatement.of(sql, parameters, stand_ins)
        converters = compiler.get_converters([each for each, *_ in compiler.select])
        return _Compiled(queryset, compiler, statement, converters)


def aggregated(rows: QuerySet[Any, Any], **sums: Aggregate) -> QuerySet[Any, dict[str, Any]]:
    """What `rows.aggregate(**sums)` asks, as a queryset of one row: `aggregate` itself asks at
    once, and so cannot be compiled."""
    one = rows.order_by().annotate(all_of_them=Value(1)).values("all_of_them")
    return one.annotate(**sums).values(*sums)


class _Asked:
    """In the place of a queryset's query: one whose compiler has its SQL already."""

    def __init__(self, query: Any, compiler: Any) -> None:
        self._query, self._compiler = query, compiler

    def get_compiler(self, *args: Any, **options: Any) -> Any:
        return self._compiler

    def __getattr__(self, name: str) -> Any:
        return getattr(self._query, name)
