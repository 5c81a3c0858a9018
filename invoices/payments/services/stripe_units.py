"""Amounts in the whole units that Stripe counts a currency in, and back."""

from decimal import Decimal

from billing.money import from_minor, to_minor

# Stripe counts these with two decimals, which must be 00:
# https://docs.stripe.com/currencies#special-cases
_TWO_DECIMALS_OF_ZERO = frozenset(["ISK", "UGX"])


def stripe_minor(amount: Decimal, currency: str) -> int:
    """`amount` in the whole units Stripe counts the currency in."""
    minor = to_minor(amount, currency)
    return minor * 100 if currency in _TWO_DECIMALS_OF_ZERO else minor


def from_stripe_minor(amount: int, currency: str) -> Decimal:
    """What Stripe's whole units are worth, in the currency's own decimals."""
    if currency in _TWO_DECIMALS_OF_ZERO:
        return Decimal(amount).scaleb(-2)
    return from_minor(amount, currency)
