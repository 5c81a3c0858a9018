"""Formatting of money, quantities, prices, durations and shares, always with their unit.

Pure functions, for pages, mails and charts alike.
"""

from decimal import ROUND_HALF_UP, Decimal

from babel.numbers import get_currency_symbol

from billing import money as exact

NO_BREAK = "\N{NO-BREAK SPACE}"
MINUS = "\N{MINUS SIGN}"


def money(amount: Decimal | int | None, currency: str) -> str:
    """`amount` rounded half-up to the currency's smallest unit: "$1,234.50", "¥7,000"."""
    if amount is None:
        return "–"
    rounded = exact.from_minor(exact.to_minor(Decimal(amount), currency), currency)
    return _with_symbol(f"{abs(rounded):,f}", currency, negative=rounded < 0)


def cents(amount: Decimal | int | None, currency: str) -> str:
    """`money`, but what is there and rounds to nothing is "< $0.01"."""
    shown = money(amount, currency)
    if not amount or exact.to_minor(Decimal(amount), currency):
        return shown
    step = _with_symbol(f"{exact.from_minor(1, currency):f}", currency, negative=amount < 0)
    return f"{'>' if amount < 0 else '<'}{NO_BREAK}{step}"


def exact_money(amount: Decimal | None, currency: str) -> str:
    """`amount` with all its decimals but trailing zeros: 0.0487500000 is "$0.04875"."""
    if amount is None:
        return "–"
    return _with_symbol(
        _trimmed(abs(amount), min_decimals=exact.exponent(currency)), currency, negative=amount < 0
    )


def quantity(value: Decimal | None) -> str:
    """A quantity without trailing zeros: "1,812.5"."""
    if value is None:
        return "–"
    return f"{MINUS if value < 0 else ''}{_trimmed(abs(value), min_decimals=0)}"


def percent(share: Decimal | None, places: int = 1) -> str:
    """A fraction as a percentage: 0.9417 is "94.2%"."""
    if share is None:
        return "–"
    value = (share * 100).quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)
    return f"{value:,f}".replace("-", MINUS) + "%"


def duration(seconds: Decimal | None) -> str:
    """Seconds as people say them: "3 min 22 s", "1 h 4 min"."""
    if seconds is None:
        return "–"
    whole = int(seconds.to_integral_value(rounding=ROUND_HALF_UP))
    if whole < 60:
        return f"{whole}{NO_BREAK}s"
    if whole < 3600:
        return f"{whole // 60}{NO_BREAK}min {whole % 60}{NO_BREAK}s"
    return f"{whole // 3600:,}{NO_BREAK}h {whole % 3600 // 60}{NO_BREAK}min"


def readable(code: str) -> str:
    """A code made readable: "no_answer" is "No answer"."""
    return code.replace("_", " ").capitalize()


def _with_symbol(number: str, currency: str, *, negative: bool) -> str:
    symbol = get_currency_symbol(currency, locale="en_US")
    space = NO_BREAK if symbol[-1].isalpha() else ""
    return f"{MINUS if negative else ''}{symbol}{space}{number}"


def _trimmed(value: Decimal, *, min_decimals: int) -> str:
    """Plain digits in thousands groups, without trailing zeros beyond `min_decimals` decimals."""
    whole, _, decimals = f"{value:,f}".partition(".")
    decimals = decimals.rstrip("0").ljust(min_decimals, "0")
    return f"{whole}.{decimals}" if decimals else whole
