"""What is missing of what was promised to be spent in a period, after discounts."""

from decimal import Decimal, localcontext

from billing.money import EXACT, ZERO, without_exponent
from billing.rating.charges import Charge, ChargeKind, ChargeScope, CommitmentTerms


def shortfall(committed: Decimal, spent: Decimal) -> Decimal:
    """At most all of it: what an earlier month is given back is not taken again."""
    with localcontext(EXACT):
        return min(committed, max(ZERO, committed - spent))


def shortfall_charge(
    commitment: CommitmentTerms, *, usage: Decimal, fees: Decimal
) -> Charge | None:
    """The line for what is missing; none where nothing is. Usage and fees after discounts."""
    with localcontext(EXACT):
        spent = usage if commitment.covers == ChargeScope.USAGE else usage + fees
    missing = shortfall(commitment.amount, spent)
    if not missing:
        return None
    committed = f"{without_exponent(commitment.amount.normalize())} {commitment.currency}"
    return Charge(
        ChargeKind.COMMITMENT,
        f"Minimum commitment of {committed} on {commitment.covers.text}, not used",
        missing,
        unit_price=commitment.amount,
        base=spent,
        source_id=commitment.id,
    )
