"""Prices, costs and exchange rates as CSV over the API: the sheets of the admin."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.utils import timezone as clock
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.bodies import read_body
from billing.api.platform_views import PlatformView
from billing.api.rate_cards import CardView, VersionSerializer
from billing.costs import costs_in_use
from billing.exports import sheet_response
from billing.models import ExchangeRate, ProviderCost
from billing.services import exchange_rates, price_rows, provider_costs, rate_sheets


class CsvParser(BaseParser):
    """`text/csv` as it came."""

    media_type = "text/csv"

    def parse(
        self, stream: Any, media_type: str | None = None, parser_context: Mapping | None = None
    ) -> Any:
        return read_body(stream)


def _content(request: Request) -> bytes:
    data: Any = request.data
    return data if isinstance(data, bytes) else b""


def _reads(columns: Iterable[str], **more: Any) -> dict[str, Any]:
    """For the documentation: a body of CSV with these columns."""
    return {
        "request": {"text/csv": OpenApiTypes.STR},
        "description": "CSV; its first line names the columns: " + ", ".join(columns) + "."
        " All or none: what is wrong is named by its line.",
        **more,
    }


_CSV = {(200, "text/csv"): OpenApiResponse(OpenApiTypes.STR)}


class ImportedSerializer(serializers.Serializer):
    added = serializers.IntegerField(help_text="How many are new.")
    known = serializers.IntegerField(help_text="How many were there before.")


class WrittenSerializer(serializers.Serializer):
    written = serializers.IntegerField(help_text="Of days that had none, or another one.")


class CostSheet(PlatformView):
    """The cost card as CSV."""

    parser_classes = [CsvParser]
    serializer_class = ImportedSerializer

    @extend_schema(responses=_CSV, operation_id="provider_costs_csv")
    def get(self, request: Request) -> HttpResponse:
        rows = costs_in_use() & self.all_of(ProviderCost)
        return sheet_response("provider-costs.csv", provider_costs.costs_csv(rows))

    @extend_schema(
        **_reads(provider_costs.COLUMNS),
        operation_id="provider_costs_import",
        responses={200: ImportedSerializer},
    )
    def post(self, request: Request) -> Response:
        self.refuse_bound_keys()
        costs = provider_costs.costs_from_csv(_content(request))
        result = provider_costs.set_costs(costs=costs, now=clock.now())
        return Response({"added": result.added, "known": len(result.costs) - result.added})


class ExchangeRateSheet(PlatformView):
    """Exchange rates as CSV."""

    parser_classes = [CsvParser]
    serializer_class = ImportedSerializer

    @extend_schema(responses=_CSV, operation_id="exchange_rates_csv")
    def get(self, request: Request) -> HttpResponse:
        rows = self.all_of(ExchangeRate).order_by("from_currency", "to_currency", "day")
        return sheet_response("exchange-rates.csv", exchange_rates.exchange_rates_csv(rows))

    @extend_schema(
        **_reads(exchange_rates.COLUMNS),
        operation_id="exchange_rates_import",
        responses={200: WrittenSerializer},
    )
    def post(self, request: Request) -> Response:
        self.refuse_bound_keys()
        rates = exchange_rates.exchange_rates_from_csv(_content(request))
        rows = exchange_rates.set_exchange_rates(rates=rates, now=clock.now())
        return Response({"written": len(rows)})


class VersionSheet(CardView):
    """The rates of a card's version as CSV."""

    parser_classes = [CsvParser]

    @extend_schema(responses=_CSV, operation_id="rate_card_version_csv")
    def get(self, request: Request, card_id: UUID, number: int) -> HttpResponse:
        version = self.version(card_id, number)
        return sheet_response(f"rates-{card_id}-v{number}.csv", rate_sheets.rates_csv(version))

    @extend_schema(
        **_reads(price_rows.COLUMNS),
        operation_id="rate_card_version_import",
        responses=VersionSerializer,
    )
    def put(self, request: Request, card_id: UUID, number: int) -> Response:
        """Puts these rates in place of a draft's."""
        version = self.version(card_id, number)
        rate_sheets.import_rates(version_id=version.pk, content=_content(request))
        return self.answer(card_id, number)
