"""Price of one usage record, at cost plus a markup or by a price of a rate card.

    total_cost = quantity x unit_cost                      what the provider charges
    final_cost = total_cost x (1 + markup_percentage/100)  what the workspace pays

Each is rounded once, half-even, to 10 decimals from the exact product (final_cost is not computed
from the rounded total_cost); sums of records are exact after that.
"""

from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import NamedTuple

from billing.rating.listing import billed_quantity, list_amount, unit_price_of
from billing.rating.prices import CostPlus, Price

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


class Amounts(NamedTuple):
    """What is written of a record; `billed` is None where it is its quantity."""

    billed: Decimal | None
    total_cost: Decimal
    final_cost: Decimal


class RecordPrice:
    """A price made ready for many records. `markup` is the text of its percentage, None for
    other models."""

    def __init__(self, price: Price) -> None:
        self._price = price
        self._adds_to_records = bool(price.increment or price.fixed or price.is_clamped)
        self._factor: Decimal | None = None
        self._unit_price = Decimal(0)
        self.markup: str | None = None
        if isinstance(price, CostPlus):
            self.markup = f"{price.markup_percentage:.4f}"
            self._factor = markup_factor(price.markup_percentage)
        else:
            self._unit_price = unit_price_of(price)

    def amounts(self, quantity: Decimal, unit_cost: Decimal) -> Amounts:
        """Each amount rounded once, half-even, to ten decimals from the exact product."""
        if self._adds_to_records:
            return self._added(quantity, unit_cost)
        if self._factor is not None:
            return Amounts(None, *rate(quantity, unit_cost, self._factor))
        return Amounts(
            None,
            _EXACT.quantize(_EXACT.multiply(quantity, unit_cost), _COST_STEP),
            _EXACT.quantize(_EXACT.multiply(quantity, self._unit_price), _COST_STEP),
        )

    def _added(self, quantity: Decimal, unit_cost: Decimal) -> Amounts:
        billed = billed_quantity(self._price.increment, quantity)
        cost = _EXACT.multiply(billed, unit_cost)
        final = list_amount(self._price, billed=billed, cost=cost)
        return Amounts(
            None if billed == quantity else billed,
            _EXACT.quantize(_EXACT.multiply(quantity, unit_cost), _COST_STEP),
            _EXACT.quantize(final, _COST_STEP),
        )
