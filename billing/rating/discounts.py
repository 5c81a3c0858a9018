"""What is taken off a period, discount by discount in the order in which they were given.

Each is taken off what those before it have left, so that nothing falls below zero. What a month
has too little of to be taken off is not brought forward.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext

from billing.money import EXACT, ZERO, without_exponent
from billing.rating.charges import Charge, ChargeKind, ChargeScope, DiscountTerms
from billing.rating.proration import rounded


@dataclass(frozen=True, slots=True)
class Discounted:
    """The lines, and what they leave of usage and of fees."""

    charges: list[Charge]
    usage: Decimal
    fees: Decimal


def take_off(discounts: Sequence[DiscountTerms], *, usage: Decimal, fees: Decimal) -> Discounted:
    """Usage may be negative, where earlier months were corrected: nothing is taken off it then."""
    charges = []
    with localcontext(EXACT):
        for discount in discounts:
            on_fees = fees if discount.applies_to != ChargeScope.USAGE else ZERO
            on_usage = max(usage, ZERO) if discount.applies_to != ChargeScope.FEES else ZERO
            base = on_fees + on_usage
            if discount.percentage is not None:
                taken = min(base, rounded(base * discount.percentage / 100))
                of_fees = min(taken, on_fees, rounded(on_fees * discount.percentage / 100))
            else:
                assert discount.amount is not None
                taken = min(base, discount.amount)
                of_fees = min(taken, on_fees)
            if not taken:
                continue
            fees -= of_fees
            usage -= taken - of_fees
            charges.append(
                Charge(
                    ChargeKind.DISCOUNT,
                    _text(discount),
                    -taken,
                    unit_price=discount.amount or ZERO,
                    base=base,
                    percentage=discount.percentage,
                    source_id=discount.id,
                )
            )
    return Discounted(charges, usage, fees)


def _text(discount: DiscountTerms) -> str:
    of = discount.applies_to.text
    if discount.percentage is None:
        return f"{discount.name}, off {of}"
    percentage = without_exponent(discount.percentage.normalize())
    return f"{discount.name}, {percentage}% off {of}"
