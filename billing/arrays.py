"""Array literals of PostgreSQL: a column of values as one text, as statements take it."""

import datetime as dt
from collections.abc import Iterable, Sequence

import msgspec

EMPTY = "{}"


def array(values: Iterable[str]) -> str:
    """Of texts that need no quotes: digits, ids, days, NULL."""
    return "{" + ",".join(values) + "}"


def sparse_array(values: Sequence[str | None]) -> str:
    """The same of what few have; `EMPTY` where nobody does."""
    return array([each or "NULL" for each in values]) if any(values) else EMPTY


def text_array(values: Sequence[str | dt.datetime | None]) -> str:
    """Of free texts or times.

    Inside the brackets it looks like JSON, its null too, as long as no character needs an escape
    but quotes and backslashes; keys and names are printable, so none does.
    """
    return "{" + msgspec.json.encode(values)[1:-1].decode() + "}"


def sparse_text_array(values: Sequence[str | None]) -> str:
    """The same of what few have; `EMPTY` where nobody does."""
    return text_array(values) if any(values) else EMPTY
