"""Decimals taken exactly as they are written, or refused. Pure functions."""

import re
from decimal import Decimal

_NUMBER = re.compile(r"-?(?:\d{1,60}(?:\.\d{0,60})?|\.\d{1,60})(?:[eE][+-]?\d{1,6})?", re.ASCII)


class NotExact(ValueError):
    """Why a value is refused; `code` as the API answers it."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def exact_decimal(value: object, *, integer_digits: int, decimals: int) -> Decimal:
    """`value` (decimal text, `int` or `Decimal`) if a column of that size holds it unrounded.

    Trailing zeros do not count as decimals. Raises `NotExact`.
    """
    is_number = isinstance(value, int | Decimal) and not isinstance(value, bool)
    if not is_number and not (isinstance(value, str) and _NUMBER.fullmatch(value)):
        raise NotExact("invalid_decimal", "A decimal number is expected, as text or number.")
    number = Decimal(value)  # type: ignore[arg-type]
    _, digits, exponent = number.as_tuple()
    if not isinstance(exponent, int):
        raise NotExact("invalid_decimal", "A finite number is expected.")
    if not number:
        return Decimal(0)
    trailing_zeros = len(digits) - len("".join(map(str, digits)).rstrip("0"))
    if len(digits) + exponent > integer_digits:
        raise NotExact("too_large", f"At most {integer_digits} digits before the point.")
    if -(exponent + trailing_zeros) > decimals:
        raise NotExact("too_many_decimals", f"At most {decimals} decimals.")
    return number
