"""The cost card and exchange rates, over the API."""

from typing import Any
from uuid import UUID

import django_filters
from django.db.models import QuerySet
from django.utils import timezone as clock
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.fields import DayField, ExactDecimalField, IdField, PlainTextField
from billing.api.filters import IdFilter, ProviderFilter
from billing.api.platform_views import PlatformView
from billing.api.serializers import StrictSerializer
from billing.errors import NotFound
from billing.models import ExchangeRate, ProviderCost
from billing.money import ZERO
from billing.services import exchange_rates, provider_costs
from billing.services.exchange_rates import NewExchangeRate
from billing.services.provider_costs import NewCost


class UnitCostSerializer(StrictSerializer):
    """What a unit costs, of what; by whom, and in which currency."""

    provider = PlainTextField(max_length=64)
    resource_type = PlainTextField(
        required=False, default="", allow_blank=True, max_length=64, help_text="Left out: any."
    )
    model = PlainTextField(
        required=False, default="", allow_blank=True, max_length=64, help_text="Left out: any."
    )
    currency = PlainTextField(max_length=3, help_text="ISO 4217, as USD.")
    unit_cost = ExactDecimalField(integer_digits=8, decimals=10, minimum=ZERO)
    workspace_id = IdField(
        required=False, allow_null=True, default=None, help_text="Left out: every workspace."
    )


class NewCostSerializer(UnitCostSerializer):
    starts_on = DayField(help_text="Its first day, on each workspace's own clock.")
    ends_on = DayField(
        required=False, allow_null=True, default=None, help_text="Exclusive. Default: none."
    )

    def to_internal_value(self, data: Any) -> NewCost:
        return NewCost(**super().to_internal_value(data))


class NewCostsSerializer(StrictSerializer):
    costs = serializers.ListField(child=NewCostSerializer(), max_length=provider_costs.MAX_COSTS)


class CostSerializer(serializers.Serializer):
    id = serializers.UUIDField()
    workspace_id = serializers.UUIDField(allow_null=True)
    provider = serializers.CharField()
    resource_type = serializers.SerializerMethodField()
    model = serializers.SerializerMethodField()
    currency = serializers.CharField()
    unit_cost = ExactDecimalField(shown=0)
    starts_on = serializers.DateField()
    ends_on = serializers.DateField(allow_null=True)

    def get_resource_type(self, cost: ProviderCost) -> str | None:
        return cost.resource_type or None

    def get_model(self, cost: ProviderCost) -> str | None:
        return cost.model or None


class CostsSerializer(serializers.Serializer):
    added = serializers.IntegerField(help_text="How many are new; the others were there before.")
    results = CostSerializer(many=True)


class EndCostSerializer(StrictSerializer):
    ends_on = DayField(help_text="Exclusive; its own first day takes it back altogether.")


class NewExchangeRateSerializer(StrictSerializer):
    from_currency = PlainTextField(max_length=3, help_text="The provider's.")
    to_currency = PlainTextField(max_length=3, help_text="The workspace's.")
    day = DayField()
    rate = ExactDecimalField(
        integer_digits=8,
        decimals=12,
        minimum=ZERO,
        help_text="What one unit of from_currency is worth in to_currency.",
    )

    def to_internal_value(self, data: Any) -> NewExchangeRate:
        return NewExchangeRate(**super().to_internal_value(data))


class NewExchangeRatesSerializer(StrictSerializer):
    rates = serializers.ListField(
        child=NewExchangeRateSerializer(), max_length=exchange_rates.MAX_RATES
    )


class ExchangeRateSerializer(serializers.Serializer):
    from_currency = serializers.CharField()
    to_currency = serializers.CharField()
    day = serializers.DateField()
    rate = ExactDecimalField(decimals=12, shown=0)


class ExchangeRatesSerializer(serializers.Serializer):
    results = ExchangeRateSerializer(many=True)


_COST = OpenApiExample(
    "Deepgram's nova-3 from December on",
    {
        "provider": "deepgram",
        "resource_type": "transcription",
        "model": "nova-3",
        "currency": "USD",
        "unit_cost": "0.0043",
        "starts_on": "2026-12-01",
    },
    request_only=True,
)
_RATE = OpenApiExample(
    "A day's rate",
    {"from_currency": "USD", "to_currency": "EUR", "day": "2026-12-01", "rate": "0.9212"},
    request_only=True,
)


class CostFilter(django_filters.FilterSet):
    provider = ProviderFilter()
    resource_type = django_filters.CharFilter(max_length=64)
    model = django_filters.CharFilter(max_length=64)
    workspace_id = IdFilter(help_text="Those of one workspace alone.")


class CostList(PlatformView, ListAPIView):
    """The cost card: what providers charge for a unit, from a day on."""

    lists = True
    queryset = ProviderCost.objects.all()
    serializer_class = CostSerializer
    filterset_class = CostFilter
    ordering = ("provider", "resource_type", "model", "starts_on", "id")

    def get_queryset(self) -> "QuerySet[ProviderCost]":
        return self.all_of(ProviderCost)

    @extend_schema(
        description='One cost, or `{"costs": [...]}`, all or none. Each holds from its day until'
        " the next one of the same use begins, in place of what the card says from then.",
        request=NewCostSerializer,
        responses={200: CostsSerializer, 201: CostsSerializer},
        examples=[_COST],
    )
    def post(self, request: Request) -> Response:
        self.refuse_bound_keys()
        costs = (
            self.read(NewCostsSerializer)["costs"]
            if "costs" in self.body()
            else [_one(NewCostSerializer, self.body())]
        )
        result = provider_costs.set_costs(costs=costs, now=clock.now())
        return Response(
            {"added": result.added, "results": CostSerializer(result.costs, many=True).data},
            status=201 if result.added else 200,
        )


class CostDetail(PlatformView):
    serializer_class = CostSerializer

    @extend_schema(request=EndCostSerializer, responses=CostSerializer)
    def patch(self, request: Request, cost_id: UUID) -> Response:
        """Ends a cost: from a day on the card does not say it any more."""
        if not self.all_of(ProviderCost).filter(pk=cost_id).exists():
            raise NotFound("There is no such cost.")
        self.refuse_bound_keys()
        cost = provider_costs.end_cost(cost_id=cost_id, **self.read(EndCostSerializer))
        return Response(CostSerializer(cost).data)


class ExchangeRateFilter(django_filters.FilterSet):
    from_currency = django_filters.CharFilter(max_length=3)
    to_currency = django_filters.CharFilter(max_length=3)
    day = django_filters.DateFilter()


class ExchangeRateList(PlatformView, ListAPIView):
    """Exchange rates by day, newest first."""

    lists = True
    queryset = ExchangeRate.objects.all()
    serializer_class = ExchangeRateSerializer
    filterset_class = ExchangeRateFilter
    ordering = ("-day", "-id")

    def get_queryset(self) -> "QuerySet[ExchangeRate]":
        return self.all_of(ExchangeRate)

    @extend_schema(
        description='One rate, or `{"rates": [...]}`, all or none. A rate of the same day is'
        " replaced; what was recorded keeps the one that it was recorded with.",
        request=NewExchangeRateSerializer,
        responses={200: ExchangeRatesSerializer},
        examples=[_RATE],
    )
    def post(self, request: Request) -> Response:
        self.refuse_bound_keys()
        rates = (
            self.read(NewExchangeRatesSerializer)["rates"]
            if "rates" in self.body()
            else [_one(NewExchangeRateSerializer, self.body())]
        )
        rows = exchange_rates.set_exchange_rates(rates=rates, now=clock.now())
        return Response({"results": ExchangeRateSerializer(rows, many=True).data})


def _one(serializer: type[serializers.Serializer], body: dict[str, Any]) -> Any:
    facts = serializer(data=body)
    facts.is_valid(raise_exception=True)
    return facts.validated_data
