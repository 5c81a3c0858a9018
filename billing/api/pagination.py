"""Lists page by page, by position instead of by number.

A cursor holds the sort values of the row it stands at, so that a page costs the same however
deep it lies, and rows that arrive meanwhile move nothing.
"""

import base64
import binascii
import heapq
import json
from collections.abc import Sequence
from itertools import islice
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from urllib.parse import urlencode

from django.core.exceptions import ValidationError
from django.db.models import F, Field, Model, QuerySet
from django.db.models.expressions import OrderBy
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan, TupleLessThan
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api import exactjson
from billing.api.problems import InvalidParameters

if TYPE_CHECKING:  # its class body imports this module, by the settings
    from rest_framework.views import APIView

DEFAULT_LIMIT = 100
MAX_LIMIT = 1_000


class _Cursor(NamedTuple):
    backward: bool
    group: Any
    values: list[Any]


class CursorPagination(BasePagination):
    """`{"next", "previous", "results"}`; `?limit=` rows, `?cursor=` from the links.

    The view's `ordering` is a tuple of fields, all descending ("-name") or all ascending, unique
    as a whole and led by an index. With the view's `ordering_group`, rows come group by group
    (ascending) and in `ordering` within each: one page then asks at most twice, each time along
    the index (group, *ordering), which one condition for both could not use. A view whose rows
    lie in two indexes gives `parts` of its queryset, without common rows; they are merged.
    """

    def paginate_queryset(
        self,
        queryset: QuerySet[Any] | Sequence[Any],
        request: Request,
        view: "APIView | None" = None,
    ) -> list[Any]:
        if not isinstance(queryset, QuerySet):
            raise TypeError("only a queryset can be read from a position on")
        self.request = request
        self.limit = _limit(request)
        self.ordering: Sequence[str] = getattr(view, "ordering", ("-created_at", "-id"))
        self.group: str | None = getattr(view, "ordering_group", None)
        self.cursor = self._read_cursor(queryset.model)
        backward = self.cursor is not None and self.cursor.backward
        split = getattr(view, "parts", None)
        parts = split(queryset) if split else [queryset]
        rows = self._merged([self._rows(part, backward) for part in parts], backward)
        self.more = len(rows) > self.limit
        rows = rows[: self.limit]
        self.page = rows[::-1] if backward else rows
        return self.page

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"next": self._next(), "previous": self._previous(), "results": data})

    def _merged(self, parts: Sequence[list[Any]], backward: bool) -> list[Any]:
        if len(parts) == 1:
            return parts[0]
        position = attrgetter(*(name.lstrip("-") for name in self.ordering))
        merged = heapq.merge(*parts, key=position, reverse=self._descending(backward))
        return list(islice(merged, self.limit + 1))

    def _descending(self, backward: bool) -> bool:
        return self.ordering[0].startswith("-") != backward

    def _rows(self, queryset: QuerySet[Any], backward: bool) -> list[Any]:
        """One row more than the page, in the direction of travel."""
        wanted = self.limit + 1
        descending = self._descending(backward)
        names = [name.lstrip("-") for name in self.ordering]
        order = [OrderBy(F(name), descending=descending) for name in names]
        if self.group:
            order.insert(0, OrderBy(F(self.group), descending=backward))
        queryset = queryset.order_by(*order)
        if self.cursor is None:
            return list(queryset[:wanted])
        compare = TupleLessThan if descending else TupleGreaterThan
        beyond = compare(Tuple(*map(F, names)), tuple(self.cursor.values))
        if not self.group:
            return list(queryset.filter(beyond)[:wanted])
        rows = list(queryset.filter(beyond, **{self.group: self.cursor.group})[:wanted])
        if len(rows) < wanted:
            side = "lt" if backward else "gt"
            further = queryset.filter(**{f"{self.group}__{side}": self.cursor.group})
            rows += further[: wanted - len(rows)]
        return rows

    def _next(self) -> str | None:
        if not self.page:
            return None
        backward = self.cursor is not None and self.cursor.backward
        return self._link(self.page[-1], backward=False) if backward or self.more else None

    def _previous(self) -> str | None:
        if not self.page or self.cursor is None:
            return None
        if self.cursor.backward and not self.more:
            return None
        return self._link(self.page[0], backward=True)

    def _link(self, row: Model, *, backward: bool) -> str:
        position = [
            backward,
            getattr(row, self.group) if self.group else None,
            [getattr(row, name.lstrip("-")) for name in self.ordering],
        ]
        token = base64.urlsafe_b64encode(exactjson.dumps(position)).decode().rstrip("=")
        query = {**self.request.query_params.dict(), "cursor": token}
        return self.request.build_absolute_uri(f"{self.request.path}?{urlencode(query)}")

    def _read_cursor(self, model: type[Model]) -> _Cursor | None:
        token = self.request.query_params.get("cursor")
        if token is None:
            return None
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
            backward, group, values = json.loads(raw)
            return _Cursor(
                bool(backward),
                _column(model, self.group, group) if self.group else None,
                [
                    _column(model, name.lstrip("-"), value)
                    for name, value in zip(self.ordering, values, strict=True)
                ],
            )
        except (ValueError, TypeError, RecursionError, binascii.Error, ValidationError):
            raise InvalidParameters(
                {"cursor": "Not a cursor of this list; take it from next or previous."}
            ) from None

    def get_schema_operation_parameters(self, view: "APIView") -> list[dict[str, Any]]:
        return [
            {
                "name": "limit",
                "in": "query",
                "description": "Rows a page.",
                "schema": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": MAX_LIMIT,
                    "default": DEFAULT_LIMIT,
                },
            },
            {
                "name": "cursor",
                "in": "query",
                "description": "Where the page starts: taken from `next` or `previous`.",
                "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]+$"},
            },
        ]

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {"type": "string", "format": "uri", "nullable": True}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {"next": link, "previous": link, "results": schema},
        }


def _limit(request: Request) -> int:
    text = request.query_params.get("limit")
    if text is None:
        return DEFAULT_LIMIT
    if not (text.isascii() and text.isdigit()) or len(text) > 9 or not 1 <= int(text) <= MAX_LIMIT:
        raise InvalidParameters({"limit": f"A whole number from 1 to {MAX_LIMIT} is expected."})
    return int(text)


def _column(model: type[Model], name: str, value: Any) -> Any:
    """A cursor's text as the value of the column it was written from."""
    if not isinstance(value, str | int) or "\x00" in str(value):
        raise TypeError(value)
    column = model._meta.get_field(name.removesuffix("_id"))
    return cast("Field[Any, Any]", column).to_python(value)
