"""What rate cards and overrides have in common: who may, matches, rates, and their end."""

from typing import Any

from rest_framework import serializers

from billing.api.fields import (
    DayField,
    ExactDecimalField,
    PlainTextField,
)
from billing.api.prices import PriceField
from billing.api.serializers import StrictSerializer
from billing.pricing import Matched
from billing.services import rate_card_rules
from billing.services.rate_card_rules import NewRate
from billing.text import RESOURCE_TYPE

READ_PRICES = ("billing:read", "prices:write")
PRICE_SCOPES: dict[str, str | tuple[str, ...]] = {
    "GET": READ_PRICES,
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
        if value and not RESOURCE_TYPE.fullmatch(value):
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


class MarginField(ExactDecimalField):
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
    min_margin_percentage = MarginField()

    def to_internal_value(self, data: Any) -> NewRate:
        return NewRate(**super().to_internal_value(data))

    def to_representation(self, instance: Any) -> dict[str, Any]:
        return {
            "id": str(instance.pk),
            "match": MatchSerializer(instance).data,
            "price": instance.price_json,
            "min_margin_percentage": percentage_text(instance.min_margin_percentage),
        }


def percentage_text(percentage: Any) -> str | None:
    return None if percentage is None else f"{percentage.normalize():f}"


class RatesField(serializers.ListField):
    child = RateSerializer()

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=rate_card_rules.MAX_RATES, **kwargs)


class EndSerializer(StrictSerializer):
    ends_on = DayField(help_text="Exclusive; its own first day takes it back altogether.")
