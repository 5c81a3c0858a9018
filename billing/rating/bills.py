"""A period's charges from its terms and its usage: the one function behind closes and live totals.

total = usage + fees - discounts + shortfall + what was added by hand (+ what is brought forward)

What was added by hand comes last: agreed discounts do not lower it, and it does not count towards a
commitment.
"""

from decimal import Decimal, localcontext

from billing.money import EXACT, ZERO
from billing.rating.charges import Charge, ChargeKind, PeriodTerms, sum_of
from billing.rating.commitments import shortfall_charge
from billing.rating.discounts import take_off
from billing.rating.fees import add_on_fees, subscription_fees


def period_charges(terms: PeriodTerms, usage: Decimal) -> list[Charge]:
    """In the order of an invoice's lines. `usage` is net of what a month's quantities change.

    Raises `NoPrice`.
    """
    charges: list[Charge] = []
    if terms.has_fees:
        charges += subscription_fees(terms.days, terms.tiers)
        charges += add_on_fees(terms.days, terms.add_ons)
    if not (terms.discounts or terms.commitment):
        return charges + _by_hand(terms)
    with localcontext(EXACT):
        fees = sum((charge.amount for charge in charges), ZERO)
        left = take_off(terms.discounts, usage=usage, fees=fees)
        charges += left.charges
        if terms.commitment and terms.has_fees:
            missing = shortfall_charge(terms.commitment, usage=left.usage, fees=left.fees)
            charges += [missing] if missing else []
    return charges + _by_hand(terms)


def _by_hand(terms: PeriodTerms) -> list[Charge]:
    return [
        Charge(
            ChargeKind.MANUAL,
            item.description,
            item.amount,
            unit_price=item.amount,
            source_id=item.id,
            tax_class=item.tax_class,
        )
        for item in terms.manual
    ]


def charged(charges: list[Charge]) -> dict[ChargeKind, Decimal]:
    """The sum of each kind."""
    with localcontext(EXACT):
        return {kind: sum_of(charges, kind) for kind in ChargeKind}
