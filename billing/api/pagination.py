"""Pagination of the API's lists by keyset: `{"next", "previous", "results"}`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.db.models import QuerySet
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.problems import InvalidParameters
from billing.keyset import Keyset, Page, UnreadableCursor

if TYPE_CHECKING:  # its class body imports this module, by the settings
    from rest_framework.views import APIView

DEFAULT_LIMIT = 100
MAX_LIMIT = 1_000


class CursorPagination(BasePagination):
    """`?limit=` rows a page, `?cursor=` from the links.

    The view's `ordering` and `ordering_group` are those of `billing.keyset.Keyset`; a view whose
    rows lie in two indexes gives `parts` of its queryset.
    """

    page: Page

    def paginate_queryset(
        self,
        queryset: QuerySet[Any] | Sequence[Any],
        request: Request,
        view: "APIView | None" = None,
    ) -> list[Any]:
        if not isinstance(queryset, QuerySet):
            raise TypeError("only a queryset can be read from a position on")
        self.request = request
        keyset = Keyset(
            getattr(view, "ordering", ("-created_at", "-id")),
            group=getattr(view, "ordering_group", None),
        )
        try:
            self.page = keyset.page(
                queryset,
                cursor=request.query_params.get("cursor"),
                limit=_limit(request),
                parts=getattr(view, "parts", None),
            )
        except UnreadableCursor:
            raise InvalidParameters(
                {"cursor": "Not a cursor of this list; take it from next or previous."}
            ) from None
        return list(self.page.rows)

    def get_paginated_response(self, data: Any) -> Response:
        return Response(
            {
                "next": self._link(self.page.next),
                "previous": self._link(self.page.previous),
                "results": data,
            }
        )

    def _link(self, cursor: str | None) -> str | None:
        if cursor is None:
            return None
        query = {**self.request.query_params.dict(), "cursor": cursor}
        return self.request.build_absolute_uri(f"{self.request.path}?{urlencode(query)}")

    def get_schema_operation_parameters(self, view: "APIView | None") -> list[dict[str, Any]]:
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
