"""Prices as the API takes them, and what a price makes of a quantity."""

from decimal import Decimal
from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import api_settings

from billing.api.fields import ExactDecimalField, PlainTextField, WholeNumberField, decimal_text
from billing.api.serializers import StrictSerializer
from billing.api.views import ApiView
from billing.money import CURRENCIES, EXACT, ZERO, from_minor, to_minor, without_exponent
from billing.rating import (
    CostPlus,
    InvalidPrice,
    Part,
    Price,
    PriceLine,
    price_as_json,
    quote,
    read_price,
    shared_evenly,
)
from billing.rating.reading import MAX_TIERS

MAX_QUANTITIES = 1000
_MAX_RECORDS = 1_000_000_000
_DECIMALS = 10


def _decimal(integer_digits: int, decimals: int, *, nullable: bool = False) -> dict[str, Any]:
    text: dict[str, Any] = {
        "type": "string",
        "format": "decimal",
        "pattern": rf"^\d{{1,{integer_digits}}}(\.\d{{1,{decimals}}})?$",
    }
    number = {
        "type": "number",
        "minimum": 0,
        "maximum": 10**integer_digits,
        "exclusiveMaximum": True,
    }
    return {"oneOf": [text | ({"nullable": True} if nullable else {}), number]}


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": required,
        "properties": properties,
        "additionalProperties": False,
    }


def _price_schema() -> dict[str, Any]:
    """As `billing.rating.reading` reads it: what a price has depends on its model."""
    quantity, amount, unit_price = _decimal(12, 6), _decimal(12, 10), _decimal(12, 18)
    tier = {
        "up_to": _decimal(12, 6, nullable=True),
        "unit_price": unit_price,
        "flat": _decimal(12, 10, nullable=True),
    }
    tiers = {
        "type": "array",
        "minItems": 1,
        "maxItems": MAX_TIERS,
        "items": _object(tier, ["up_to", "unit_price"]),
    }
    increment = {"step": quantity, "first": _decimal(12, 6, nullable=True)}
    shared = {
        "included": _decimal(12, 6, nullable=True),
        "increment": _object(increment, ["step"]) | {"nullable": True},
        "fixed": _decimal(12, 10, nullable=True),
        "min_amount": _decimal(12, 10, nullable=True),
        "max_amount": _decimal(12, 10, nullable=True),
    }
    models: dict[str, dict[str, Any]] = {
        "cost_plus": {"markup_percentage": _decimal(3, 4)},
        "per_unit": {"unit_price": unit_price},
        "graduated": {"tiers": tiers},
        "volume": {"tiers": tiers},
        "package": {"size": quantity, "price": amount},
    }
    return {
        "oneOf": [
            _object(
                {"model": {"type": "string", "enum": [model]}, **own, **shared}, ["model", *own]
            )
            for model, own in models.items()
        ],
        "example": {"model": "per_unit", "unit_price": "0.12", "included": "1000"},
    }


@extend_schema_field(_price_schema())
class PriceField(serializers.Field):
    """A price; a bad one is refused with a pointer to each place that is wrong."""

    def to_internal_value(self, data: object) -> Price:
        try:
            return read_price(data)
        except InvalidPrice as error:
            raise serializers.ValidationError(_nested(error)) from None

    def to_representation(self, value: Price) -> dict[str, Any]:
        return price_as_json(value)


def _nested(error: InvalidPrice) -> dict[str, Any]:
    """Faults as REST framework nests them."""
    nested: dict[str, Any] = {}
    for fault in error.faults:
        node = nested
        for name in fault.pointer.split("/")[1:]:
            node = node.setdefault(name.replace("~1", "/").replace("~0", "~"), {})
        node.setdefault(api_settings.NON_FIELD_ERRORS_KEY, []).append(
            serializers.ErrorDetail(fault.detail, code=fault.code)
        )
    return nested


class _Quantity(ExactDecimalField):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(integer_digits=18, decimals=12, minimum=ZERO, **kwargs)


class PreviewSerializer(StrictSerializer):
    price = PriceField()
    quantity = _Quantity(required=False, help_text="Units of the whole period.")
    quantities = serializers.ListField(
        child=_Quantity(),
        required=False,
        max_length=MAX_QUANTITIES,
        help_text="Units of each record, in place of `quantity` and `records`.",
    )
    records = WholeNumberField(
        required=False,
        min_value=0,
        max_value=_MAX_RECORDS,
        help_text="How many records the quantity came in, of the same size each. Default: 1.",
    )
    cost = ExactDecimalField(
        required=False,
        integer_digits=18,
        decimals=12,
        minimum=ZERO,
        help_text="What the provider charges for the quantity; a `cost_plus` price needs it.",
    )
    currency = PlainTextField(required=False, max_length=3, help_text="Of the amount: USD.")

    def validate_currency(self, value: str) -> str:
        if value not in CURRENCIES:
            raise serializers.ValidationError("There is no such currency.", "unknown_currency")
        return value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        faults: dict[str, Any] = {}

        def fault(name: str, code: str, detail: str) -> None:
            faults[name] = serializers.ErrorDetail(detail, code=code)

        price, by_cost = attrs["price"], isinstance(attrs["price"], CostPlus)
        if "quantities" in attrs:
            for name in ("quantity", "records"):
                if name in attrs:
                    fault(name, "not_both", "Send either quantities or quantity and records.")
        elif "quantity" not in attrs and (not by_cost or price.included or price.increment):
            fault("quantity", "required", "This price needs a quantity.")
        if by_cost and "cost" not in attrs:
            fault("cost", "required", "A price from the cost needs a cost.")
        used = attrs.get("quantity") or attrs.get("cost")
        if attrs.get("records") == 0 and used:
            fault("records", "too_small", "No record has neither a quantity nor a cost.")
        if faults:
            raise serializers.ValidationError(faults)
        return attrs


class PriceLineSerializer(serializers.Serializer):
    """One line of an amount: `quantity` x `unit_price` + `flat`, or an amount by itself."""

    description = serializers.CharField()
    quantity = ExactDecimalField(allow_null=True)
    unit_price = ExactDecimalField(allow_null=True)
    flat = ExactDecimalField()
    amount = ExactDecimalField()


class PreviewAnswerSerializer(serializers.Serializer):
    amount = ExactDecimalField(help_text="Exact and unrounded: the sum of the lines.")
    lines = PriceLineSerializer(many=True)
    price = PriceField(help_text="As it was understood.")
    currency = serializers.CharField(allow_null=True)
    rounded = ExactDecimalField(
        allow_null=True, help_text="`amount` in whole minor units of the currency, half up."
    )
    billed_quantity = ExactDecimalField(
        allow_null=True, help_text="After billing increments; null when no quantity was sent."
    )
    list_amount = ExactDecimalField(help_text="The sum of the records' list prices.")
    adjustment = ExactDecimalField(help_text="What the period adds to them: `amount` less them.")
    margin = ExactDecimalField(allow_null=True, help_text="`amount` less `cost`, where it is sent.")


_CONTRACT = OpenApiExample(
    "1,234.5 minutes at 0.12 with 1,000 included, in 300 calls",
    {
        "price": {"model": "per_unit", "unit_price": "0.12", "included": "1000"},
        "quantity": "1234.5",
        "records": 300,
        "currency": "USD",
    },
    request_only=True,
)


class PricePreview(ApiView):
    """What a price makes of a quantity, by the same function as the close. Nothing is written."""

    required_scopes = {"POST": ("billing:read", "prices:write")}
    serializer_class = PreviewSerializer

    @extend_schema(
        request=PreviewSerializer,
        responses={200: PreviewAnswerSerializer},
        examples=[_CONTRACT],
        operation_id="prices_preview",
    )
    def post(self, request: Request) -> Response:
        facts = self.read(PreviewSerializer)
        price: Price = facts["price"]
        result = quote(price, _parts(facts))
        currency, cost = facts.get("currency"), facts.get("cost")
        has_quantity = "quantity" in facts or "quantities" in facts
        return Response(
            {
                "amount": _amount(result.amount),
                "lines": [_line(line) for line in result.lines],
                "price": price_as_json(price),
                "currency": currency,
                "rounded": currency
                and without_exponent(from_minor(to_minor(result.amount, currency), currency)),
                "billed_quantity": _figure(result.billed_quantity) if has_quantity else None,
                "list_amount": _amount(result.listed),
                "adjustment": _amount(result.adjustment),
                "margin": None if cost is None else _amount(EXACT.subtract(result.amount, cost)),
            }
        )


def _parts(facts: dict[str, Any]) -> list[Part]:
    cost: Decimal = facts.get("cost", ZERO)
    if "quantities" not in facts:
        records = facts.get("records", 1)
        # A price from the cost alone asks for no quantity: any that is not zero will do.
        quantity = facts.get("quantity", Decimal(records))
        return shared_evenly(quantity, records, cost)
    quantities: list[Decimal] = facts["quantities"]
    total = ZERO
    for quantity in quantities:
        total = EXACT.add(total, quantity)
    if not total:
        return [Part(ZERO, len(quantities), cost)]
    # The cost is shared by quantity; the last record with one takes what division leaves.
    last = max(place for place, quantity in enumerate(quantities) if quantity)
    parts, left = [], cost
    for place, quantity in enumerate(quantities):
        share = left if place == last else EXACT.divide(EXACT.multiply(cost, quantity), total)
        left = EXACT.subtract(left, share)
        parts.append(Part(quantity, 1, share))
    return parts


def _line(line: PriceLine) -> dict[str, Any]:
    return {
        "description": line.description,
        "quantity": None if line.quantity is None else _figure(line.quantity),
        "unit_price": None if line.unit_price is None else _figure(line.unit_price),
        "flat": _figure(line.flat),
        "amount": _amount(line.amount),
    }


def _amount(value: Decimal) -> str:
    """All decimals it has, and ten at least."""
    places = -int(value.as_tuple().exponent)
    return decimal_text(value, max(places, _DECIMALS), shown=_DECIMALS)


def _figure(value: Decimal) -> str:
    """All decimals it has, without trailing zeros."""
    return decimal_text(value, max(-int(value.as_tuple().exponent), 0), shown=0)
