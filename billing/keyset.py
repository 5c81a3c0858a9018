"""Keyset pagination: pages of long lists that cost the same however deep they lie.

A cursor holds the sort values of the row it stands at, instead of a number of rows to pass over;
so rows that arrive meanwhile move nothing either. The API's lists and the owner's pages share it.
"""

import base64
import binascii
import heapq
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import attrgetter
from typing import Any, NamedTuple, cast

from django.core.exceptions import ValidationError
from django.db.models import F, Field, Model, QuerySet
from django.db.models.expressions import OrderBy
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan, TupleLessThan
from django.http import HttpRequest


class UnreadableCursor(ValueError):
    """Not a cursor of this list."""


@dataclass(frozen=True)
class Page:
    """Rows in the list's order; `previous` and `next` are cursors, None where there is no more."""

    rows: Sequence[Any]
    previous: str | None
    next: str | None


class _Position(NamedTuple):
    """A row by its sort values, and in which direction its page lies from it."""

    backward: bool
    group: Any
    values: list[Any]


class Keyset:
    """The order of one list.

    `ordering` is a tuple of fields, all descending ("-name") or all ascending, unique as a whole
    and led by an index. With `group`, rows come group by group (ascending) and in `ordering` within
    each: one page then asks at most twice, each time along the index (group, *ordering), which one
    condition for both could not use.
    """

    def __init__(self, ordering: Sequence[str], *, group: str | None = None) -> None:
        self.names = [name.lstrip("-") for name in ordering]
        self.descending = ordering[0].startswith("-")
        self.group = group

    def page(
        self,
        queryset: QuerySet[Any],
        *,
        cursor: str | None,
        limit: int,
        parts: Callable[[QuerySet[Any]], Sequence[QuerySet[Any]]] | None = None,
    ) -> Page:
        """The page of `queryset` at `cursor`, the first one without. Raises `UnreadableCursor`.

        A list whose rows lie in several indexes, or tables, gives them as `parts`, without common
        rows and each with what `ordering` names; they are merged.
        """
        position = None if cursor is None else self._read(cursor, queryset)
        backward = position is not None and position.backward
        queries = parts(queryset) if parts else [queryset]
        found = self._merged([self._rows(each, position, limit + 1) for each in queries], backward)
        rows = list(islice(found, limit + 1))
        more = len(rows) > limit
        rows = rows[:limit][::-1] if backward else rows[:limit]
        if not rows:
            return Page(rows, None, None)
        is_first, is_last = (not more, False) if backward else (position is None, not more)
        return Page(
            rows,
            None if is_first else self._write(rows[0], backward=True),
            None if is_last else self._write(rows[-1], backward=False),
        )

    def walk(
        self,
        queryset: QuerySet[Any],
        *,
        limit: int,
        parts: Callable[[QuerySet[Any]], Sequence[QuerySet[Any]]] | None = None,
    ) -> Iterator[Any]:
        """All rows, read page by page: no more than `limit` are held, and no transaction stays open
        while somebody downloads them."""
        cursor: str | None = None
        while True:
            page = self.page(queryset, cursor=cursor, limit=limit, parts=parts)
            yield from page.rows
            cursor = page.next
            if cursor is None:
                return

    def _merged(self, parts: Sequence[list[Any]], backward: bool) -> Sequence[Any]:
        if len(parts) == 1:
            return parts[0]
        reverse = self.descending != backward
        return list(heapq.merge(*parts, key=attrgetter(*self.names), reverse=reverse))

    def _rows(self, queryset: QuerySet[Any], position: _Position | None, wanted: int) -> list[Any]:
        """So many rows from the position on, in the direction of travel."""
        backward = position is not None and position.backward
        descending = self.descending != backward
        order = [OrderBy(F(name), descending=descending) for name in self.names]
        if self.group:
            order.insert(0, OrderBy(F(self.group), descending=backward))
        queryset = queryset.order_by(*order)
        if position is None:
            return list(queryset[:wanted])
        compare = TupleLessThan if descending else TupleGreaterThan
        beyond = compare(Tuple(*map(F, self.names)), tuple(position.values))
        if not self.group:
            return list(queryset.filter(beyond)[:wanted])
        rows = list(queryset.filter(beyond, **{self.group: position.group})[:wanted])
        if len(rows) < wanted:
            side = "lt" if backward else "gt"
            further = queryset.filter(**{f"{self.group}__{side}": position.group})
            rows += further[: wanted - len(rows)]
        return rows

    def _write(self, row: Model, *, backward: bool) -> str:
        group = getattr(row, self.group) if self.group else None
        position = [backward, group, [getattr(row, name) for name in self.names]]
        return (
            base64.urlsafe_b64encode(json.dumps(position, default=str).encode())
            .decode()
            .rstrip("=")
        )

    def _read(self, cursor: str, rows: QuerySet[Any]) -> _Position:
        try:
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
            backward, group, values = json.loads(raw)
            return _Position(
                bool(backward),
                _column_value(rows, self.group, group) if self.group else None,
                [
                    _column_value(rows, name, value)
                    for name, value in zip(self.names, values, strict=True)
                ],
            )
        except (ValueError, TypeError, RecursionError, binascii.Error, ValidationError) as error:
            raise UnreadableCursor(cursor) from error


def requested_page(request: HttpRequest, queryset: QuerySet[Any], *, by: str, limit: int) -> Page:
    """The page of a list of the owner's pages, newest first by the time `by`."""
    return page_in_order(request, queryset, Keyset((f"-{by}", "-id")), limit=limit)


def page_in_order(
    request: HttpRequest,
    queryset: QuerySet[Any],
    keyset: Keyset,
    *,
    limit: int,
    parts: Callable[[QuerySet[Any]], Sequence[QuerySet[Any]]] | None = None,
) -> Page:
    """The page of a list of the owner's pages in any order.

    A cursor that cannot be read, in an old link for instance, starts at the top.
    """
    try:
        cursor = request.GET.get("cursor") or None
        return keyset.page(queryset, cursor=cursor, limit=limit, parts=parts)
    except UnreadableCursor:
        return keyset.page(queryset, cursor=None, limit=limit, parts=parts)


def _column_value(rows: QuerySet[Any], name: str, value: Any) -> Any:
    """A cursor's text as the value of the column, or of the annotation, it was written from."""
    if not isinstance(value, str | int) or "\x00" in str(value):
        raise TypeError(value)
    annotation = rows.query.annotations.get(name)
    if annotation is not None:
        return annotation.output_field.to_python(value)
    column = rows.model._meta.get_field(name.removesuffix("_id"))
    return cast("Field[Any, Any]", column).to_python(value)
