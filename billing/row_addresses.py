"""Addresses of rows' own pages, of which a list has one for each of its rows."""

from functools import lru_cache
from uuid import UUID

from django.urls import get_script_prefix, reverse

_PLACE = UUID("00000000-0000-4000-8000-0000000000a1")


def row_address(view: str, key: UUID) -> str:
    """`reverse` of a view whose address has a row's key in it and nothing else that differs."""
    before, after = _around(view, get_script_prefix())
    return f"{before}{key}{after}"


@lru_cache(maxsize=256)
def _around(view: str, prefix: str) -> tuple[str, str]:
    before, after = reverse(view, args=[_PLACE]).split(str(_PLACE))
    return before, after
