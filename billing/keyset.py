"""Pages of long lists by cursor: as fast at the millionth row as at the first.

The order is newest first, by a time and the id; a cursor names the row a page starts beside.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)
_OLDER, _NEWER = "o", "n"


@dataclass(frozen=True)
class Page:
    """Rows, newest first; `newer` and `older` are cursors, None where there are no more."""

    rows: Sequence[Any]
    newer: str | None
    older: str | None


def page_of(rows: QuerySet[Any], *, by: str, cursor: str | None, size: int) -> Page:
    """The page of `rows` at `cursor`; a cursor that cannot be read starts at the top.

    `by` is the time field; an index on (..., by, id) serves both directions.
    """
    direction, at = _read(cursor)
    if at is None:
        found = list(rows.order_by(f"-{by}", "-pk")[: size + 1])
        return _page(found[:size], by, newer=False, older=len(found) > size)
    when, pk = at
    if direction == _OLDER:
        # The outer bound on the time alone is what the index is entered by.
        beyond = Q(**{f"{by}__lte": when}) & (Q(**{f"{by}__lt": when}) | Q(pk__lt=pk))
        found = list(rows.filter(beyond).order_by(f"-{by}", "-pk")[: size + 1])
        return _page(found[:size], by, newer=True, older=len(found) > size)
    beyond = Q(**{f"{by}__gte": when}) & (Q(**{f"{by}__gt": when}) | Q(pk__gt=pk))
    found = list(rows.filter(beyond).order_by(by, "pk")[: size + 1])
    return _page(found[:size][::-1], by, newer=len(found) > size, older=True)


def _page(rows: list[Any], by: str, *, newer: bool, older: bool) -> Page:
    if not rows:
        return Page(rows, None, None)
    return Page(
        rows,
        _write(_NEWER, rows[0], by) if newer else None,
        _write(_OLDER, rows[-1], by) if older else None,
    )


def _write(direction: str, row: Any, by: str) -> str:
    microseconds = (getattr(row, by) - _EPOCH) // _MICROSECOND
    return f"{direction}{microseconds:x}-{row.pk.hex}"


def _read(cursor: str | None) -> tuple[str, tuple[dt.datetime, UUID] | None]:
    if not cursor or cursor[0] not in (_OLDER, _NEWER) or len(cursor) > 64:
        return _OLDER, None
    when, _, pk = cursor[1:].partition("-")
    try:
        return cursor[0], (_EPOCH + int(when, 16) * _MICROSECOND, UUID(hex=pk))
    except (ValueError, OverflowError):
        return _OLDER, None
