"""Currencies: their minor digits, and the steps, least and most that Stripe charges.

All of it from https://docs.stripe.com/currencies.
"""

from decimal import Decimal

from dev.stripe_sandbox.errors import invalid

ZERO_DECIMAL = frozenset("bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf".split())
THREE_DECIMAL = frozenset("bhd jod kwd omr tnd".split())
# Without a fraction, and yet counted with two decimals that are 00 ("special cases").
TWO_DECIMALS_OF_ZERO = frozenset("isk ugx".split())

# Minor units ("minimum charge amount by currency"); 50 where nothing else is said.
_MINIMUM = {
    "aed": 200,
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
# Twelve digits, by card.
_MAX_AMOUNT = 999_999_999_999


def exponent(currency: str) -> int:
    """Digits after the point as Stripe counts: 0 for JPY, 3 for KWD, otherwise 2."""
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


def charge_step(currency: str) -> int:
    """In what steps amounts are charged, in minor units: 100 for ISK, 10 for KWD, otherwise 1."""
    if currency in TWO_DECIMALS_OF_ZERO:
        return 100
    return 10 if currency in THREE_DECIMAL else 1


def check_amount(amount: int, currency: str, *, param: str = "amount") -> int:
    """`amount` in minor units, or `ApiError` for one that could not be charged."""
    if abs(amount) > _MAX_AMOUNT:
        raise invalid(
            f"Amount must be no more than {formatted(_MAX_AMOUNT, currency)}",
            param=param,
            code="amount_too_large",
        )
    step = charge_step(currency)
    if amount % step:
        why = (
            f"Currency {currency.upper()} has become effectively zero-decimal and charged amounts "
            "must be evenly divisible by 100."
            if step == 100
            else f"Amounts in {currency.upper()} must have 0 as their last digit."
        )
        raise invalid(f"Invalid amount. {why}", param=param, code="invalid_charge_amount")
    return amount


def formatted(amount_minor: int, currency: str) -> str:
    """``1234, "usd"`` -> ``"12.34 USD"``."""
    digits = exponent(currency)
    return f"{Decimal(amount_minor).scaleb(-digits):,.{digits}f} {currency.upper()}"
