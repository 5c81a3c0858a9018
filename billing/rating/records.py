"""Price of one usage record, at cost plus a markup or by a price of a rate card.

    total_cost = quantity x unit_cost x exchange_rate      what the provider charges
    final_cost = total_cost x (1 + markup_percentage/100)  what the workspace pays

Each is rounded once, half-even, to 10 decimals from the exact product (final_cost is not computed
from the rounded total_cost); sums of records are exact after that.
"""

from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Context, Decimal

from billing.rating.listing import unit_price_of
from billing.rating.periods import depends_on_period, net_grows_within_list
from billing.rating.prices import CostPlus, Increment, Price

# quantity (18 digits) x unit_cost (18) x exchange rate (20) x (1 + markup/100) (9): 65 at most.
_EXACT = Context(prec=80, rounding=ROUND_HALF_EVEN)
# Bound once: a record's amounts take a third of the time that looking these up each time does.
_multiply, _quantize = _EXACT.multiply, _EXACT.quantize
_UP = Context(prec=80, rounding=ROUND_CEILING)
_COST_STEP = Decimal("1E-10")
_HUNDRED = Decimal(100)
_ONE = Decimal(1)
_ZERO = Decimal(0)


def markup_factor(markup_percentage: Decimal) -> Decimal:
    """1.2 for a markup of 20 %."""
    return _EXACT.add(_ONE, _EXACT.divide(markup_percentage, _HUNDRED))


def converted(unit_cost: Decimal, exchange_rate: Decimal) -> Decimal:
    """What a unit costs in the workspace's currency, exactly: it is rounded with its record."""
    return _multiply(unit_cost, exchange_rate)


def rate(quantity: Decimal, unit_cost: Decimal, factor: Decimal) -> tuple[Decimal, Decimal]:
    """Total and final cost of `quantity` at `unit_cost`; `factor` comes from `markup_factor`."""
    exact = _multiply(quantity, unit_cost)
    return (
        _quantize(exact, _COST_STEP),
        _quantize(_multiply(exact, factor), _COST_STEP),
    )


def _is_rounding_up(increment: Increment) -> bool:
    """Whether its steps are those of a decimal place, from zero on: 30/6 is tenths of a minute.
    Rounding up costs a quarter of counting steps."""
    step = increment.step.as_tuple()
    return (
        step.digits == (1,)
        and isinstance(step.exponent, int)
        and step.exponent <= 0
        and not _EXACT.remainder(increment.first, increment.step)
    )


class RecordPrice:
    """A price made ready for many records. `markup` is the text of its percentage, None for
    other models. `has_meter`: what the records cost in the end depends on their whole period;
    `is_bounded`: none of them adds more to it than its list price."""

    def __init__(self, price: Price) -> None:
        self._increment = price.increment
        self._rounds_up = price.increment is not None and _is_rounding_up(price.increment)
        self._fixed = price.fixed
        self._least = price.min_amount
        self._most = price.max_amount
        self._is_plain = not (price.fixed or price.is_clamped)
        self._factor: Decimal | None = None
        self._unit_price = _ZERO
        self.has_meter = depends_on_period(price)
        self.is_bounded = net_grows_within_list(price)
        self.markup: str | None = None
        if isinstance(price, CostPlus):
            self.markup = f"{price.markup_percentage:.4f}"
            self._factor = markup_factor(price.markup_percentage)
        else:
            self._unit_price = unit_price_of(price)

    def amounts(
        self, quantity: Decimal, unit_cost: Decimal
    ) -> tuple[Decimal | None, Decimal, Decimal]:
        """What is written of a record: its billed quantity (None: that is its quantity), its total
        and its final cost, each rounded once, half-even, to ten decimals from the exact product."""
        cost = _multiply(quantity, unit_cost)
        billed = quantity
        if (
            self._increment is not None
            and (more := self._billed(quantity, self._increment)) != quantity
        ):
            billed = more
        if self._factor is None:
            exact = _multiply(billed, self._unit_price)
        else:
            billed_cost = cost if billed is quantity else _multiply(billed, unit_cost)
            exact = _multiply(billed_cost, self._factor)
        if not self._is_plain and billed:
            exact = _EXACT.add(exact, self._fixed)
            if self._least is not None and exact < self._least:
                exact = self._least
            elif self._most is not None and exact > self._most:
                exact = self._most
        return (
            None if billed is quantity else billed,
            _quantize(cost, _COST_STEP),
            _quantize(exact, _COST_STEP),
        )

    def _billed(self, quantity: Decimal, increment: Increment) -> Decimal:
        """As `listing.billed_quantity`, for what a column holds."""
        if not quantity:
            return quantity
        if quantity <= increment.first:
            return increment.first
        if self._rounds_up:
            return _UP.quantize(quantity, increment.step)
        steps, rest = _EXACT.divmod(_EXACT.subtract(quantity, increment.first), increment.step)
        if rest:
            steps = _EXACT.add(steps, _ONE)
        return _EXACT.add(increment.first, _multiply(steps, increment.step))
