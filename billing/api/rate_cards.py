"""Rate cards: their versions, and publishing them."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone as clock
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.access import visible_workspaces
from billing.api.fields import AwareDateTimeField, DayField, PlainTextField, WholeNumberField
from billing.api.rates import PRICE_SCOPES, MatchSerializer, RateSerializer, RatesField
from billing.api.serializers import StrictSerializer
from billing.api.views import ApiView
from billing.api.workspaces import KeyIsBound
from billing.errors import NotFound
from billing.models import RateCard, RateCardVersion
from billing.pricing import Matched
from billing.services import rate_card_rules, rate_cards


class NewCardSerializer(StrictSerializer):
    name = PlainTextField(max_length=100)
    currency = PlainTextField(max_length=3)
    description = PlainTextField(required=False, default="", allow_blank=True, max_length=200)
    rates = RatesField(required=False, help_text="Of a first draft.")


class NewVersionSerializer(StrictSerializer):
    rates = RatesField(required=False, help_text="Left out: those of the version `copy_of`.")
    copy_of = WholeNumberField(required=False, min_value=1)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("rates" in attrs) == ("copy_of" in attrs):
            raise serializers.ValidationError(
                {"rates": serializers.ErrorDetail("Either rates or copy_of.", code="required")}
            )
        return attrs


class RatesSerializer(StrictSerializer):
    rates = RatesField()


class PublishSerializer(StrictSerializer):
    effective_from = DayField(
        help_text="The first day it holds, from each workspace's own midnight."
    )


class WorkedExampleSerializer(serializers.Serializer):
    """What a quantity, with its cost, comes to by one rate."""

    match = MatchSerializer()
    quantity = serializers.CharField()
    cost = serializers.CharField()
    amount = serializers.CharField()


class VersionSerializer(serializers.Serializer):
    number = serializers.IntegerField()
    status = serializers.ChoiceField(choices=["draft", "published", "retired"])
    effective_from = serializers.DateField(allow_null=True)
    published_at = AwareDateTimeField(allow_null=True)
    rates = RateSerializer(many=True)
    examples = WorkedExampleSerializer(many=True)


class CardSerializer(serializers.Serializer):
    id = serializers.UUIDField()
    name = serializers.CharField()
    currency = serializers.CharField()
    description = serializers.CharField()
    created_at = AwareDateTimeField()
    versions = VersionSerializer(many=True)

    def to_representation(self, instance: RateCard) -> dict[str, Any]:
        versions = list(instance.versions.all())
        latest = rate_card_rules.version_on(versions, clock.now().date())
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
    examples = rate_cards.worked_examples(version) if version.is_draft else version.examples
    return {
        "number": version.number,
        "status": rate_cards.status_of(version, latest),
        "effective_from": version.effective_from and version.effective_from.isoformat(),
        "published_at": version.published_at and published(version.published_at),
        "rates": RateSerializer(version.rates.all(), many=True).data,
        "examples": [
            {**each, "match": MatchSerializer(Matched(**each["match"])).data} for each in examples
        ],
    }


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


class CardView(ApiView):
    """Cards belong to the platform: a key bound to a workspace and members do not see them."""

    required_scopes = PRICE_SCOPES
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
        latest = rate_card_rules.version_on(versions, clock.now().date())
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
