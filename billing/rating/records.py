"""Price of one usage record. Pure functions: no model, clock or setting.

    total_cost = quantity x unit_cost                      what the provider charges
    final_cost = total_cost x (1 + markup_percentage/100)  what the workspace pays

Each is rounded once, half-even, to 10 decimals from the exact product (final_cost is not computed
from the rounded total_cost); sums of records are exact after that.
"""

from decimal import ROUND_HALF_EVEN, Context, Decimal

# quantity (18 digits) x unit_cost (18) x (1 + markup/100) (9) has at most 45 digits.
_EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN)
_COST_STEP = Decimal("1E-10")
_HUNDRED = Decimal(100)
_ONE = Decimal(1)


def markup_factor(markup_percentage: Decimal) -> Decimal:
    """1.2 for a markup of 20 %."""
    return _EXACT.add(_ONE, _EXACT.divide(markup_percentage, _HUNDRED))


def rate(quantity: Decimal, unit_cost: Decimal, factor: Decimal) -> tuple[Decimal, Decimal]:
    """Total and final cost of `quantity` at `unit_cost`; `factor` comes from `markup_factor`."""
    exact = _EXACT.multiply(quantity, unit_cost)
    return (
        _EXACT.quantize(exact, _COST_STEP),
        _EXACT.quantize(_EXACT.multiply(exact, factor), _COST_STEP),
    )
