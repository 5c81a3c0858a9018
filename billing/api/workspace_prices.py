"""A workspace's prices: its overrides, and what is in force when and why."""

import datetime as dt
from uuid import UUID

from django.utils import timezone as clock
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing import months
from billing.api.access import visible_or_404
from billing.api.fields import (
    AwareDateTimeField,
    DayField,
    ExactDecimalField,
    PlainTextField,
    aware_time,
)
from billing.api.prices import PriceField
from billing.api.problems import InvalidParameters
from billing.api.rates import (
    PRICE_SCOPES,
    READ_PRICES,
    EndSerializer,
    MarginField,
    MatchSerializer,
    percentage_text,
)
from billing.api.serializers import StrictSerializer
from billing.api.views import ApiView
from billing.decimals import NotExact
from billing.errors import NotFound
from billing.models import (
    PriceOverride,
    Workspace,
)
from billing.pricing import Matched, price_lists
from billing.queries import markup_in_force
from billing.services import price_assignments
from billing.services.rate_card_rules import NewRate


class NewOverrideSerializer(StrictSerializer):
    match = MatchSerializer(required=False, default=Matched("", "", ""))
    price = PriceField()
    min_margin_percentage = MarginField()
    starts_on = DayField()
    ends_on = DayField(required=False, allow_null=True, default=None, help_text="Exclusive.")
    reason = PlainTextField(max_length=200)


class OverrideSerializer(serializers.Serializer):
    id = serializers.UUIDField()
    workspace_id = serializers.UUIDField()
    match = MatchSerializer(source="*")
    price = serializers.JSONField(source="price_json")
    min_margin_percentage = ExactDecimalField(
        integer_digits=3, decimals=4, shown=0, allow_null=True
    )
    starts_on = serializers.DateField()
    ends_on = serializers.DateField(allow_null=True)
    reason = serializers.CharField()


class OverridesSerializer(serializers.Serializer):
    results = OverrideSerializer(many=True)


class OverrideList(ApiView):
    """A workspace's own prices, whatever its card says."""

    required_scopes = PRICE_SCOPES
    serializer_class = OverrideSerializer

    @extend_schema(responses=OverridesSerializer)
    def get(self, request: Request, workspace_id: UUID) -> Response:
        workspace = _workspace(request, workspace_id)
        overrides = PriceOverride.objects.filter(workspace=workspace)
        return Response({"results": OverrideSerializer(overrides, many=True).data})

    @extend_schema(request=NewOverrideSerializer, responses={201: OverrideSerializer})
    def post(self, request: Request, workspace_id: UUID) -> Response:
        workspace = _workspace(request, workspace_id)
        facts = self.read(NewOverrideSerializer)
        rate = NewRate(facts.pop("match"), facts.pop("price"), facts.pop("min_margin_percentage"))
        override = price_assignments.add_override(
            workspace_id=workspace.pk, rate=rate, now=clock.now(), **facts
        )
        return Response(OverrideSerializer(override).data, status=201)


class OverrideDetail(ApiView):
    required_scopes = PRICE_SCOPES
    serializer_class = OverrideSerializer

    @extend_schema(request=EndSerializer, responses=OverrideSerializer)
    def patch(self, request: Request, workspace_id: UUID, override_id: UUID) -> Response:
        """Ends a workspace's own price."""
        workspace = _workspace(request, workspace_id)
        if not PriceOverride.objects.filter(pk=override_id, workspace=workspace).exists():
            raise NotFound("There is no such override.")
        override = price_assignments.end_override(
            override_id=override_id, now=clock.now(), **self.read(EndSerializer)
        )
        return Response(OverrideSerializer(override).data)


def _workspace(request: Request, workspace_id: UUID) -> Workspace:
    return visible_or_404(Workspace.objects.all(), request, workspace="pk", pk=workspace_id)


class PriceInForceSerializer(serializers.Serializer):
    match = MatchSerializer()
    price = serializers.JSONField()
    source = serializers.ChoiceField(  # type: ignore[assignment]  # taken out by the metaclass
        choices=["override", "workspace_card", "tier_card", "markup"],
    )
    rate_id = serializers.UUIDField(allow_null=True)
    card = serializers.CharField(allow_null=True)
    version = serializers.IntegerField(allow_null=True)


class PricingSerializer(serializers.Serializer):
    workspace_id = serializers.UUIDField()
    at = AwareDateTimeField()
    day = serializers.DateField(help_text="On the workspace's clock.")
    currency = serializers.CharField()
    prices = PriceInForceSerializer(many=True)


class WorkspacePricing(ApiView):
    """The price in force for each match at a moment, and where it comes from.

    For a use, the first match in the list that holds for it is its price.
    """

    required_scopes = {"GET": (*READ_PRICES, "usage:read")}
    parameters = frozenset({"at"})
    serializer_class = PricingSerializer

    @extend_schema(
        parameters=[OpenApiParameter("at", OpenApiTypes.DATETIME, description="Default: now.")]
    )
    def get(self, request: Request, workspace_id: UUID) -> Response:
        workspace = _workspace(request, workspace_id)
        at = _moment(request)
        day = months.local_date(at, workspace.zone)
        prices = price_lists([workspace.pk]).get(workspace.pk)
        shown = [
            {
                "match": MatchSerializer(price.match).data,
                "price": PriceField().to_representation(price.price),
                "source": price.source,
                "rate_id": str(price.rate_id),
                "card": price.card,
                "version": price.version,
            }
            for price in (prices.in_order(day) if prices else [])
        ]
        if not any(price["match"] == _ANY for price in shown):
            shown.append(
                {
                    "match": _ANY,
                    "price": {
                        "model": "cost_plus",
                        "markup_percentage": percentage_text(markup_in_force(workspace.pk)),
                    },
                    "source": "markup",
                    "rate_id": None,
                    "card": None,
                    "version": None,
                }
            )
        return Response(
            {
                "workspace_id": str(workspace.pk),
                "at": AwareDateTimeField().to_representation(at),
                "day": day.isoformat(),
                "currency": workspace.currency,
                "prices": shown,
            }
        )


_ANY = {"resource_type": None, "provider": None, "model": None}


def _moment(request: Request) -> dt.datetime:
    text = request.query_params.get("at")
    if text is None:
        return clock.now()
    try:
        return aware_time(text)
    except NotExact as error:
        raise InvalidParameters({"at": error.detail}) from None
