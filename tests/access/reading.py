"""The tables of the matrix as rows, and the URL configuration as addresses and methods."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from django.urls import URLPattern, URLResolver, get_resolver

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_PART = re.compile(r"<(?:\w+:)?(\w+)>|\(\?P<(\w+)>[^)]*\)")


class Row(NamedTuple):
    method: str
    route: str
    who: list[str]
    whose: str = ""

    def address(self, values: dict[str, Any]) -> str:
        route = self.route if self.route.startswith("/") else f"/{self.route}"
        return re.sub(r"<(\w+)>", lambda part: str(values[part[1]]), route)


def lines_of(table: str) -> list[dict[str, str]]:
    """Each line as a dict by the heads of its columns, which begin where the heads do."""
    head, *lines = [line for line in table.splitlines() if line.strip()]
    columns = [(found.start(), found[0]) for found in re.finditer(r"\S+", head)]
    ends = [start for start, _ in columns[1:]] + [10_000]
    return [
        {name: line[start:end].strip() for (start, name), end in zip(columns, ends, strict=True)}
        for line in lines
    ]


def rows_of(table: str, *, prefix: str = "") -> list[Row]:
    return [
        Row(
            line["method"],
            f"{prefix}{line['route']}",
            (line.get("keys") or line.get("who") or "").split(),
            line.get("whose", ""),
        )
        for line in lines_of(table)
    ]


def addresses() -> dict[str, Any]:
    """Each route, its parts by their names alone, and the view behind it."""
    return dict(_addresses(get_resolver().url_patterns, ""))


def _addresses(patterns: list, prefix: str) -> Iterator[tuple[str, Any]]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _addresses(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            plain = _PART.sub(lambda part: f"<{part[1] or part[2]}>", route)
            yield plain.replace("^", "").replace("$", "") or "/", pattern.callback
