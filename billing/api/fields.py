"""Serializer fields that take exactly what their column holds, and refuse the rest."""

import datetime as dt
import re
from collections.abc import Callable
from decimal import Decimal
from operator import attrgetter
from typing import Any, TypeVar
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from billing.api.exactjson import utc_text
from billing.decimals import NotExact, exact_decimal
from billing.money import EXACT, exponent, without_exponent
from billing.text import MAX_EMAIL_LENGTH, UnfitText, email_address, printable_line
from billing.times import NotATime, parse_time

_T = TypeVar("_T")
_UUID = re.compile(
    r"[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}"
)


def aware_time(value: object) -> dt.datetime:
    """A time with a date and an offset, in UTC. Raises `NotExact`."""
    if not isinstance(value, str):
        raise NotExact("invalid_time", "A time is expected, as 2026-11-22T09:30:00Z.")
    try:
        return parse_time(value)
    except NotATime as error:
        raise NotExact(error.code, error.detail) from None


def exact_uuid(value: object) -> UUID:
    """An id as text; `true` and `5` are none, though Python would make one of them."""
    if not isinstance(value, str) or not _UUID.fullmatch(value):
        raise NotExact("invalid_uuid", "This is not a UUID.")
    return UUID(value)


def _fit(make: Callable[[str], str], value: object, code: str) -> str:
    if not isinstance(value, str):
        raise NotExact("invalid_text", "Text is expected.")
    try:
        return make(value)
    except UnfitText as error:
        raise NotExact(code, str(error)) from None


@extend_schema_field({"type": "string", "format": "decimal", "pattern": r"^-?\d+(\.\d+)?$"})
class ExactDecimalField(serializers.Field):
    """A decimal that is stored as given, or refused.

    Goes out with all `decimals` of its column, without the zeros past the first `shown` when
    that is given.
    """

    def __init__(
        self,
        *,
        integer_digits: int = 18,
        decimals: int = 10,
        shown: int | None = None,
        minimum: Decimal | None = None,
        maximum: Decimal | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.integer_digits = integer_digits
        self.decimals = decimals
        self.shown = shown
        self.minimum = minimum
        self.maximum = maximum

    def to_internal_value(self, data: object) -> Decimal:
        value = _checked(
            lambda: exact_decimal(data, integer_digits=self.integer_digits, decimals=self.decimals)
        )
        if self.minimum is not None and value < self.minimum:
            raise serializers.ValidationError(
                f"At least {without_exponent(self.minimum)} is expected.", code="too_small"
            )
        if self.maximum is not None and value > self.maximum:
            raise serializers.ValidationError(
                f"At most {without_exponent(self.maximum)} is expected.", code="too_large"
            )
        return value

    def to_representation(self, value: Decimal) -> str:
        return decimal_text(value, self.decimals, shown=self.shown)


def decimal_text(value: Decimal, decimals: int, *, shown: int | None = None) -> str:
    """`value` with `decimals` decimals; with `shown`, zeros past that many are left out."""
    text = without_exponent(EXACT.quantize(value, Decimal(1).scaleb(-decimals)))
    if shown is None:
        return text
    whole, _, fraction = text.partition(".")
    fraction = fraction[:shown] + fraction[shown:].rstrip("0")
    return f"{whole}.{fraction}" if fraction else whole


def currency_text(amount: Decimal, currency: str) -> str:
    """An amount with the decimals of its currency, and more only where it has more."""
    places = exponent(currency)
    return decimal_text(amount, max(places, 10), shown=places)


@extend_schema_field({"type": "string", "format": "decimal", "pattern": r"^-?\d+(\.\d+)?$"})
class AmountField(serializers.Field):
    """Goes out with the decimals of its currency; both are dotted names of the object's."""

    def __init__(self, amount: str, *, currency: str = "currency", **kwargs: Any) -> None:
        super().__init__(source="*", read_only=True, **kwargs)
        self.amount = attrgetter(amount)
        self.currency = attrgetter(currency)

    def to_representation(self, value: Any) -> str:
        return currency_text(self.amount(value), self.currency(value))


@extend_schema_field(OpenApiTypes.DATETIME)
class AwareDateTimeField(serializers.Field):
    """ISO 8601 with an offset in, UTC with `Z` out."""

    def to_internal_value(self, data: object) -> dt.datetime:
        return _checked(lambda: aware_time(data))

    def to_representation(self, value: dt.datetime) -> str:
        return utc_text(value)


class DayField(serializers.DateField):
    """A day, as 2026-12-01; a time at midnight is taken for its day."""

    def to_internal_value(self, value: Any) -> dt.date:
        if isinstance(value, str) and "T" in value:
            day, _, time = value.partition("T")
            if time.startswith("00:00"):
                value = day
        if not isinstance(value, str):
            self.fail("invalid", format="YYYY-MM-DD")
        return super().to_internal_value(value)


class PlainTextField(serializers.CharField):
    """One line of text, trimmed, of characters that show; numbers are not taken for text.

    `codes` are what the API's document says it is one of; whoever takes it refuses others.
    """

    def __init__(self, *, codes: frozenset[str] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.codes = codes

    def to_internal_value(self, data: object) -> str:
        return _checked(lambda: _fit(printable_line, data, "invalid_text"))


@extend_schema_field({"type": "string", "format": "email", "maxLength": MAX_EMAIL_LENGTH})
class EmailTextField(serializers.CharField):
    """An e-mail address, internationalised ones too."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=MAX_EMAIL_LENGTH, **kwargs)

    def to_internal_value(self, data: object) -> str:
        return _checked(lambda: _fit(email_address, data, "invalid_email"))


class IdField(serializers.UUIDField):
    def to_internal_value(self, data: object) -> UUID:
        return _checked(lambda: exact_uuid(data))


class FlagField(serializers.BooleanField):
    """`true` or `false`, and none of the words and numbers that others take for them."""

    def to_internal_value(self, data: object) -> bool:
        if not isinstance(data, bool):
            raise serializers.ValidationError("true or false is expected.", code="invalid_flag")
        return data


class WholeNumberField(serializers.IntegerField):
    def to_internal_value(self, data: object) -> int:
        if isinstance(data, bool) or not isinstance(data, int):
            raise serializers.ValidationError("A whole number is expected.", code="invalid_number")
        return data


def _checked(read: Callable[[], _T]) -> _T:
    try:
        return read()
    except NotExact as error:
        raise serializers.ValidationError(error.detail, code=error.code) from None
