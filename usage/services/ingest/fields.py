"""Fields of a record that few send, or few write so: odd decimals, currencies, states of a cost."""

import re
from decimal import Context, Decimal

from billing.money import CURRENCIES
from usage.services.ingest.parsing import RecordError

# The states of a cost; final is not kept.
FINAL, ESTIMATED = "final", "estimated"
_DECIMAL = re.compile(rb'("?)(-?[0-9]{1,100}(?:\.[0-9]{1,100})?(?:[eE][+-]?[0-9]{1,4})?)\1')
# As many digits as `_DECIMAL` lets through: nothing is rounded before it is measured.
_EXACT = Context(prec=200)


class InvalidField(Exception):
    def __init__(self, code: str, field: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.field = field
        self.detail = detail


def currency(text: str, cost_given: bool) -> str:
    if text not in CURRENCIES:
        detail = "An ISO 4217 currency is expected, as USD."
        raise InvalidField("unknown_currency", "cost_currency", detail)
    if not cost_given:
        detail = "A cost_currency is that of a unit_cost: send one, or neither."
        raise InvalidField("required", "unit_cost", detail)
    return text


def cost_state(text: str) -> str | None:
    """None for a final cost, as it is kept."""
    if text not in (FINAL, ESTIMATED):
        raise InvalidField("invalid_choice", "cost_state", "One of final, estimated is expected.")
    return None if text == FINAL else text


def decimal_or_error(
    index: int, field: str, raw: bytes, *, digits: int, places: int
) -> Decimal | RecordError:
    """The decimal in `raw`, or why it does not fit `digits` digits before and `places` after."""
    try:
        return read_decimal(field, raw, digits=digits, places=places)
    except InvalidField as refused:
        return RecordError(index, refused.code, refused.field, refused.detail)


def read_decimal(field: str, raw: bytes, *, digits: int, places: int) -> Decimal:
    match = _DECIMAL.fullmatch(raw)
    if match is None:
        raise InvalidField(
            "invalid_decimal", field, "Must be a plain decimal, as a string or a number."
        )
    value = _EXACT.normalize(Decimal(match[2].decode()))
    if value < 0:
        raise InvalidField("negative", field, "Must not be negative.")
    if not value:
        return Decimal(0)  # whatever its sign and exponent
    if value.adjusted() >= digits:
        raise InvalidField("too_large", field, f"At most {digits} digits before the decimal point.")
    if -int(value.as_tuple().exponent) > places:
        raise InvalidField(
            "too_many_decimals", field, f"At most {places} digits after the decimal point."
        )
    return value
