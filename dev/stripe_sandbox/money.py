"""Currencies: how many minor digits they have and the least Stripe charges."""

from decimal import Decimal

from dev.stripe_sandbox.errors import invalid

ZERO_DECIMAL = frozenset("bif clp djf gnf jpy kmf krw mga pyg rwf ugx vnd vuv xaf xof xpf".split())
THREE_DECIMAL = frozenset("bhd jod kwd omr tnd".split())

# Minor units, https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts
_MINIMUM = {
    "aed": 200,
    "bgn": 100,
    "czk": 1500,
    "dkk": 250,
    "gbp": 30,
    "hkd": 400,
    "huf": 17500,
    "jpy": 50,
    "mxn": 1000,
    "myr": 200,
    "nok": 300,
    "pln": 200,
    "ron": 200,
    "sek": 300,
    "thb": 1000,
}
_MAX_AMOUNT = 99_999_999_999


def exponent(currency: str) -> int:
    """Digits after the point: 0 for JPY, 3 for KWD, otherwise 2."""
    if currency in ZERO_DECIMAL:
        return 0
    return 3 if currency in THREE_DECIMAL else 2


def minimum_charge(currency: str) -> int:
    """The least that is charged, in minor units (50 cents for USD and EUR)."""
    return _MINIMUM.get(currency, 500 if currency in THREE_DECIMAL else 50)


def check_currency(currency: str) -> str:
    """Lower case, or `ApiError` for what is no ISO code."""
    if len(currency) != 3 or not currency.isascii() or not currency.isalpha():
        raise invalid(f"Invalid currency: {currency}", param="currency")
    return currency.lower()


def check_amount(amount: int, *, param: str = "amount") -> int:
    if abs(amount) > _MAX_AMOUNT:
        raise invalid(
            "Amount must be no more than 999,999,999.99", param=param, code="amount_too_large"
        )
    return amount


def formatted(amount_minor: int, currency: str) -> str:
    """``1234, "usd"`` -> ``"12.34 USD"``."""
    digits = exponent(currency)
    return f"{Decimal(amount_minor).scaleb(-digits):,.{digits}f} {currency.upper()}"
