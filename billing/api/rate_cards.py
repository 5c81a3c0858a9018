"""Rate cards, who uses them, overrides, and the prices a workspace pays."""

import datetime as dt
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone as clock
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from billing import months
from billing.api.access import visible_or_404, visible_workspaces
from billing.api.fields import (
    AwareDateTimeField,
    DayField,
    ExactDecimalField,
    PlainTextField,
    WholeNumberField,
    aware_time,
)
from billing.api.prices import PriceField
from billing.api.problems import InvalidParameters
from billing.api.serializers import StrictSerializer
from billing.api.views import ApiView
from billing.api.workspaces import KeyIsBound
from billing.decimals import NotExact
from billing.errors import NotFound
from billing.models import (
    PriceOverride,
    RateCard,
    RateCardAssignment,
    RateCardVersion,
    Workspace,
)
from billing.pricing import Matched, price_lists
from billing.queries import markup_in_force
from billing.services import price_assignments, rate_cards
from billing.services.rate_cards import NewRate

_READ = ("billing:read", "prices:write")
_SCOPES: dict[str, str | tuple[str, ...]] = {
    "GET": _READ,
    "POST": "prices:write",
    "PUT": "prices:write",
    "PATCH": "prices:write",
}


class MatchSerializer(StrictSerializer):
    """What a price is for; what is left out or null means any."""

    resource_type = PlainTextField(required=False, allow_null=True, allow_blank=True, max_length=64)
    provider = PlainTextField(required=False, allow_null=True, allow_blank=True, max_length=64)
    model = PlainTextField(required=False, allow_null=True, allow_blank=True, max_length=64)

    def validate_resource_type(self, value: str | None) -> str | None:
        if value and not rate_cards.RESOURCE_TYPE.fullmatch(value):
            raise serializers.ValidationError(
                "Must be 1 to 64 of a-z, 0-9 and _, beginning with a letter.",
                code="invalid_resource_type",
            )
        return value

    def to_internal_value(self, data: Any) -> Matched:
        facts = super().to_internal_value(data)
        return Matched(*(facts.get(name) or "" for name in Matched._fields))

    def to_representation(self, instance: Any) -> dict[str, str | None]:
        return {name: getattr(instance, name) or None for name in Matched._fields}


class _Margin(ExactDecimalField):
    def __init__(self) -> None:
        super().__init__(
            required=False,
            allow_null=True,
            default=None,
            integer_digits=3,
            decimals=4,
            shown=0,
            help_text="A record that leaves less is recorded and counted for finance.",
        )


class RateSerializer(StrictSerializer):
    id = serializers.UUIDField(read_only=True, source="pk")
    match = MatchSerializer(required=False, default=Matched("", "", ""))
    price = PriceField()
    min_margin_percentage = _Margin()

    def to_internal_value(self, data: Any) -> NewRate:
        return NewRate(**super().to_internal_value(data))

    def to_representation(self, instance: Any) -> dict[str, Any]:
        return {
            "id": str(instance.pk),
            "match": MatchSerializer(instance).data,
            "price": instance.price_json,
            "min_margin_percentage": _text(instance.min_margin_percentage),
        }


def _text(percentage: Any) -> str | None:
    return None if percentage is None else f"{percentage.normalize():f}"


class _Rates(serializers.ListField):
    child = RateSerializer()

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=rate_cards.MOST_RATES, **kwargs)


class NewCardSerializer(StrictSerializer):
    name = PlainTextField(max_length=100)
    currency = PlainTextField(max_length=3)
    description = PlainTextField(required=False, default="", allow_blank=True, max_length=200)
    rates = _Rates(required=False, help_text="Of a first draft.")


class NewVersionSerializer(StrictSerializer):
    rates = _Rates(required=False, help_text="Left out: those of the version `copy_of`.")
    copy_of = WholeNumberField(required=False, min_value=1)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("rates" in attrs) == ("copy_of" in attrs):
            raise serializers.ValidationError(
                {"rates": serializers.ErrorDetail("Either rates or copy_of.", code="required")}
            )
        return attrs


class RatesSerializer(StrictSerializer):
    rates = _Rates()


class PublishSerializer(StrictSerializer):
    effective_from = DayField(
        help_text="The first day it holds, from each workspace's own midnight."
    )


class VersionSerializer(serializers.Serializer):
    number = serializers.IntegerField()
    status = serializers.ChoiceField(choices=["draft", "published", "retired"])
    effective_from = serializers.DateField(allow_null=True)
    published_at = AwareDateTimeField(allow_null=True)
    rates = RateSerializer(many=True)
    examples = serializers.ListField(child=serializers.DictField())


class CardSerializer(serializers.Serializer):
    id = serializers.UUIDField()
    name = serializers.CharField()
    currency = serializers.CharField()
    description = serializers.CharField()
    created_at = AwareDateTimeField()
    versions = VersionSerializer(many=True)

    def to_representation(self, instance: RateCard) -> dict[str, Any]:
        versions = list(instance.versions.all())
        latest = rate_cards.version_on(versions, clock.now().date())
        return {
            "id": str(instance.pk),
            "name": instance.name,
            "currency": instance.currency,
            "description": instance.description,
            "created_at": AwareDateTimeField().to_representation(instance.created_at),
            "versions": [version_shown(version, latest) for version in versions],
        }


def version_shown(version: RateCardVersion, latest: RateCardVersion | None) -> dict[str, Any]:
    """A version; retired when another of its card is in force in its place."""
    published = AwareDateTimeField().to_representation
    return {
        "number": version.number,
        "status": rate_cards.status_of(version, latest),
        "effective_from": version.effective_from and version.effective_from.isoformat(),
        "published_at": version.published_at and published(version.published_at),
        "rates": RateSerializer(version.rates.all(), many=True).data,
        "examples": version.examples
        if not version.is_draft
        else rate_cards.worked_examples(version),
    }


class NewAssignmentSerializer(StrictSerializer):
    workspace_id = serializers.UUIDField(required=False, allow_null=True, default=None)
    tier = PlainTextField(required=False, allow_null=True, default=None, max_length=40)
    starts_on = DayField()
    ends_on = DayField(required=False, allow_null=True, default=None, help_text="Exclusive.")


class AssignmentSerializer(serializers.Serializer):
    id = serializers.UUIDField()
    rate_card_id = serializers.UUIDField(source="card_id")
    workspace_id = serializers.UUIDField(allow_null=True)
    tier = serializers.CharField(source="tier.name", allow_null=True, default=None)
    currency = serializers.CharField()
    starts_on = serializers.DateField()
    ends_on = serializers.DateField(allow_null=True)


class AssignmentsSerializer(serializers.Serializer):
    results = AssignmentSerializer(many=True)


class NewOverrideSerializer(StrictSerializer):
    match = MatchSerializer(required=False, default=Matched("", "", ""))
    price = PriceField()
    min_margin_percentage = _Margin()
    starts_on = DayField()
    ends_on = DayField(required=False, allow_null=True, default=None, help_text="Exclusive.")
    reason = PlainTextField(max_length=200)


class EndSerializer(StrictSerializer):
    ends_on = DayField(help_text="Exclusive; its own first day takes it back altogether.")


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


_CARD = OpenApiExample(
    "Minutes by the unit, the rest at cost plus 15 %",
    {
        "name": "Voice 2027",
        "currency": "USD",
        "rates": [
            {
                "match": {"resource_type": "call_minutes"},
                "price": {
                    "model": "per_unit",
                    "unit_price": "0.12",
                    "increment": {"first": "0.5", "step": "0.1"},
                },
            },
            {"match": {}, "price": {"model": "cost_plus", "markup_percentage": "15"}},
        ],
    },
    request_only=True,
)


class OverridesSerializer(serializers.Serializer):
    results = OverrideSerializer(many=True)


class CardView(ApiView):
    """Cards belong to the platform: a key bound to a workspace and members do not see them."""

    required_scopes = _SCOPES
    serializer_class = CardSerializer

    def cards(self) -> "QuerySet[RateCard]":
        if visible_workspaces(self.request) is not None:
            return RateCard.objects.none()
        return RateCard.objects.prefetch_related("versions__rates")

    def card(self, card_id: UUID) -> RateCard:
        card = self.cards().filter(pk=card_id).first()
        if card is None:
            raise NotFound("There is no such rate card.")
        return card

    def version(self, card_id: UUID, number: int) -> RateCardVersion:
        version = self.card(card_id).versions.filter(number=number).first()
        if version is None:
            raise NotFound("There is no such version.")
        return version

    def answer(self, card_id: UUID, number: int, status: int = 200) -> Response:
        card = self.card(card_id)
        versions = list(card.versions.all())
        latest = rate_cards.version_on(versions, clock.now().date())
        version = next(each for each in versions if each.number == number)
        return Response(version_shown(version, latest), status=status)

    def refuse_bound_keys(self) -> None:
        if visible_workspaces(self.request) is not None:
            raise KeyIsBound("This key is bound to a workspace and makes no rate cards.")


class CardList(CardView, ListAPIView):
    """Rate cards by name."""

    lists = True
    queryset = RateCard.objects.all()
    ordering = ("name", "id")

    def get_queryset(self) -> "QuerySet[RateCard]":
        return self.cards()

    @extend_schema(
        description="Makes a card; with `rates`, its first draft too.",
        request=NewCardSerializer,
        responses={201: CardSerializer},
        examples=[_CARD],
    )
    def post(self, request: Request) -> Response:
        self.refuse_bound_keys()
        card = rate_cards.create_card(now=clock.now(), **self.read(NewCardSerializer))
        return Response(CardSerializer(self.card(card.pk)).data, status=201)


class CardDetail(CardView):
    """One rate card with all its versions."""

    def get(self, request: Request, card_id: UUID) -> Response:
        return Response(CardSerializer(self.card(card_id)).data)


class VersionList(CardView):
    """The versions of a card."""

    @extend_schema(
        description="Makes a draft.",
        request=NewVersionSerializer,
        responses={201: VersionSerializer},
    )
    def post(self, request: Request, card_id: UUID) -> Response:
        self.card(card_id)
        facts = self.read(NewVersionSerializer)
        if "copy_of" in facts:
            source = self.version(card_id, facts["copy_of"])
            draft = rate_cards.copy_version(version_id=source.pk, now=clock.now())
        else:
            draft = rate_cards.create_version(
                card_id=card_id, rates=facts["rates"], now=clock.now()
            )
        return self.answer(card_id, draft.number, 201)


class VersionDetail(CardView):
    """One version of a card, with worked examples."""

    @extend_schema(responses=VersionSerializer)
    def get(self, request: Request, card_id: UUID, number: int) -> Response:
        self.version(card_id, number)
        return self.answer(card_id, number)

    @extend_schema(
        description="Puts these rates in place of a draft's.",
        request=RatesSerializer,
        responses=VersionSerializer,
    )
    def put(self, request: Request, card_id: UUID, number: int) -> Response:
        version = self.version(card_id, number)
        rate_cards.replace_rates(version_id=version.pk, **self.read(RatesSerializer))
        return self.answer(card_id, number)


class VersionPublish(CardView):
    """Publishing: from a day on, the version is what the card says. It never changes again."""

    @extend_schema(request=PublishSerializer, responses=VersionSerializer)
    def post(self, request: Request, card_id: UUID, number: int) -> Response:
        version = self.version(card_id, number)
        rate_cards.publish_version(
            version_id=version.pk, now=clock.now(), **self.read(PublishSerializer)
        )
        return self.answer(card_id, number)


class AssignmentList(CardView):
    """Who uses a card, and from when."""

    @extend_schema(responses=AssignmentsSerializer)
    def get(self, request: Request, card_id: UUID) -> Response:
        uses = self.card(card_id).assignments.select_related("tier")
        return Response({"results": AssignmentSerializer(uses, many=True).data})

    @extend_schema(
        description="Has a workspace pay by the card, or every workspace of a tier that pays in"
        " its currency.",
        request=NewAssignmentSerializer,
        responses={201: AssignmentSerializer},
    )
    def post(self, request: Request, card_id: UUID) -> Response:
        self.card(card_id)
        use = price_assignments.assign_card(
            card_id=card_id, now=clock.now(), **self.read(NewAssignmentSerializer)
        )
        return Response(AssignmentSerializer(use).data, status=201)


class AssignmentDetail(CardView):
    @extend_schema(request=EndSerializer, responses=AssignmentSerializer)
    def patch(self, request: Request, card_id: UUID, assignment_id: UUID) -> Response:
        """Ends the use of a card by somebody."""
        if not self.card(card_id).assignments.filter(pk=assignment_id).exists():
            raise NotFound("There is no such assignment.")
        use = price_assignments.end_assignment(
            assignment_id=assignment_id, now=clock.now(), **self.read(EndSerializer)
        )
        assert isinstance(use, RateCardAssignment)
        return Response(AssignmentSerializer(use).data)


class OverrideList(ApiView):
    """A workspace's own prices, whatever its card says."""

    required_scopes = _SCOPES
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
    required_scopes = _SCOPES
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

    required_scopes = {"GET": (*_READ, "usage:read")}
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
                        "markup_percentage": _text(markup_in_force(workspace.pk)),
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
