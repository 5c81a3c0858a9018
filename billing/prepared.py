"""Statements that are prepared on the server once for a connection, and arrays as their values.

An array is a column of values as one parameter. Most are literals, one text. Ids, days and times
go in PostgreSQL's binary form: reading them as text costs the server one to two microseconds each,
and making them here costs no more.
"""

import datetime as dt
import re
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import chain, count, repeat
from typing import Any, Self

import msgspec
import psycopg
from django.db import connection
from django.db.backends.postgresql.base import ServerBindingCursor
from psycopg import postgres, pq
from psycopg.adapt import Dumper

EMPTY = "{}"
# Lengths of elements, in hex digits.
_NULL = "ffffffff"
_SIXTEEN = "00000010"
_EPOCH = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


def numbered(statement: str) -> bytes:
    """A statement with `$1`, `$2`, ... for its `%s`, in one line, for a `psycopg.RawCursor`."""
    numbers = count(1)
    text = re.sub("%s", lambda _: f"${next(numbers)}", " ".join(statement.split()))
    return text.replace("%%", "%").encode()


@contextmanager
def prepared_cursor() -> Iterator[psycopg.Cursor]:
    """A cursor on Django's connection; ask for `prepare=True` with each statement.

    Write statements whose plan is good for all values: they keep the one they are prepared with
    (`config.database`). Django's own cursors bind parameters on the client and prepare nothing.
    Errors are raised as `django.db.Error`, as they are there; what is caught inside of the block is
    psycopg's.
    """
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        yield cursor


def page_cursor(on: Any) -> Any:
    """A cursor on a connection of Django's, used as its own are, with its log and its wrappers, but
    with statements that are prepared on the server once they were asked some times.

    For what every page asks, in the same words and with few values: its plan has to be good for
    all of them. Reading and planning a statement takes PostgreSQL longer than answering most of
    these does.
    """
    on.ensure_connection()
    raw: Any = ServerBindingCursor(on.connection)  # type: ignore[call-arg] # is psycopg's
    return on._prepare_cursor(raw)


def array(values: Iterable[str]) -> str:
    """Of texts that need no quotes: numbers, words, NULL."""
    return "{" + ",".join(values) + "}"


def sparse_array(values: Sequence[str | None]) -> str:
    """The same of what few have; `EMPTY` where nobody does."""
    return array([each or "NULL" for each in values]) if any(values) else EMPTY


def text_array(values: Sequence[str | None]) -> str:
    """Of free texts.

    Inside the brackets it looks like JSON, its null too, as long as no character needs an escape
    but quotes and backslashes; keys and names are printable, so none does.
    """
    return "{" + msgspec.json.encode(values)[1:-1].decode() + "}"


def sparse_text_array(values: Sequence[str | None]) -> str:
    """The same of what few have; `EMPTY` where nobody does."""
    return text_array(values) if any(values) else EMPTY


class BinaryArray(bytes):
    """An array as PostgreSQL's binary protocol has it: its shape, then for each element a length
    and its bytes; a length of -1 is null."""

    type_name = ""

    @classmethod
    def of(cls, count: int, elements: bytes) -> Self:
        element = postgres.types[cls.type_name].oid
        if not count:
            return cls(struct.pack(">iiI", 0, 0, element))
        # Dimensions, whether there may be nulls, their type; then the dimension's size and start.
        return cls(struct.pack(">iiIii", 1, 1, element, count, 1) + elements)


class UuidArray(BinaryArray):
    type_name = "uuid"


class DateArray(BinaryArray):
    type_name = "date"


class TimeArray(BinaryArray):
    type_name = "timestamptz"


def uuid_array(ids: Sequence[str | None]) -> UuidArray:
    """Of ids as texts, with dashes or without."""
    if None in ids:
        elements = "".join([_NULL if each is None else _SIXTEEN + each for each in ids])
    else:
        elements = _SIXTEEN + _SIXTEEN.join(ids) if ids else ""  # type: ignore[arg-type] # no None
    return UuidArray.of(len(ids), bytes.fromhex(elements.replace("-", "")))


def sparse_uuid_array(ids: Sequence[str | None]) -> UuidArray:
    """The same of what few have; empty where nobody does."""
    return uuid_array(ids if any(ids) else ())


def date_array(days: Sequence[str]) -> DateArray:
    """Of days as texts: `2026-11-30`."""
    return DateArray.of(len(days), b"".join(map(_day, days)))


def time_array(times: Sequence[dt.datetime]) -> TimeArray:
    microseconds = [(each - _EPOCH) // _MICROSECOND for each in times]
    values = chain.from_iterable(zip(repeat(8), microseconds))
    return TimeArray.of(len(times), struct.pack(">" + "iq" * len(times), *values))


# A batch has few.
@lru_cache(maxsize=4096)
def _day(text: str) -> bytes:
    return struct.pack(">ii", 4, (dt.date.fromisoformat(text) - _EPOCH.date()).days)


class _BinaryDumper(Dumper):
    format = pq.Format.BINARY

    def dump(self, obj: BinaryArray) -> bytes:
        return obj


for _kind in (UuidArray, DateArray, TimeArray):
    _dumper = type(
        f"{_kind.__name__}Dumper",
        (_BinaryDumper,),
        {"oid": postgres.types[_kind.type_name].array_oid},
    )
    psycopg.adapters.register_dumper(_kind, _dumper)
