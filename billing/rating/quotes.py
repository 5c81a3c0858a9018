"""What some records would cost in a period that has no others, with every line of the way."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from billing.money import EXACT, ZERO
from billing.rating.listing import billed_quantity, clamped, list_base
from billing.rating.periods import PriceLine, adjustment, figure, period_lines
from billing.rating.prices import CostPlus, Price

# The column's decimals: equal records do not differ by more.
_QUANTITY_STEP = Decimal("1E-6")
_FINEST = Decimal("1E-24")
_HUNDRED = Decimal(100)
_ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class Part:
    """`records` records of `quantity` units each; `cost` is what all of them cost the platform."""

    quantity: Decimal
    records: int
    cost: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Quote:
    """`amount` is the sum of the lines, and of `listed` and `adjustment`."""

    amount: Decimal
    lines: list[PriceLine]
    billed_quantity: Decimal
    listed: Decimal
    adjustment: Decimal


def shared_evenly(quantity: Decimal, records: int, cost: Decimal = ZERO) -> list[Part]:
    """`quantity` and `cost` as records of the same size, which differ by a millionth at most."""
    if records <= 1:
        return [Part(quantity, records, cost)] if records else []
    step = min(_QUANTITY_STEP, Decimal(1).scaleb(int(quantity.as_tuple().exponent)))
    size, larger = divmod(int(EXACT.divide_int(quantity, step)), records)
    if not larger:
        return [Part(EXACT.multiply(Decimal(size), step), records, cost)]
    larger_cost = _divided(EXACT.multiply(cost, Decimal(larger)), Decimal(records))
    return [
        Part(EXACT.multiply(Decimal(size + 1), step), larger, larger_cost),
        Part(
            EXACT.multiply(Decimal(size), step),
            records - larger,
            EXACT.subtract(cost, larger_cost),
        ),
    ]


def quote(price: Price, parts: Sequence[Part]) -> Quote:
    """The exact amount for `parts`, as the close would charge it but for its rounding of each
    record to ten decimals."""
    billed = listed = cost = ZERO
    records = 0
    for part in parts:
        each = billed_quantity(price.increment, part.quantity)
        part_billed = EXACT.multiply(each, Decimal(part.records))
        part_cost = _cost_of_billed(part, each)
        if part_billed or part_cost:
            records += part.records
            listed = EXACT.add(listed, _listed(price, part.records, part_billed, part_cost))
        billed = EXACT.add(billed, part_billed)
        cost = EXACT.add(cost, part_cost)
    adjusted = adjustment(price, billed=billed, listed=listed)
    amount = EXACT.add(listed, adjusted)
    by_cost = isinstance(price, CostPlus)
    lines = _cost_lines(price, cost) if isinstance(price, CostPlus) else period_lines(price, billed)
    if price.fixed and records:
        count = Decimal(records)
        added = EXACT.multiply(price.fixed, count)
        lines.append(PriceLine("Fixed amount a record", count, price.fixed, ZERO, added))
    if price.is_clamped:
        _add_difference(lines, listed if by_cost else amount, _clamp_name(price))
    if by_cost:
        _add_difference(lines, amount, f"Included, of {figure(price.included)}")
    return Quote(amount, lines, billed, listed, adjusted)


def meter_lines(price: Price, *, billed: Decimal, listed: Decimal, net: Decimal) -> list[PriceLine]:
    """What the records of a period come to by one price, in lines whose sum is `net`.

    `listed` is the sum of their list prices; what each record adds (a fixed amount, a minimum) is
    one line, since only sums are known here.
    """
    if isinstance(price, CostPlus):
        lines = [PriceLine("At list price", None, None, ZERO, listed)]
        _add_difference(lines, net, f"Included, of {figure(price.included)}")
        return lines
    lines = period_lines(price, billed)
    if price.is_clamped:
        _add_difference(lines, net, _clamp_name(price))
    elif price.fixed:
        _add_difference(lines, net, f"Fixed amounts of {figure(price.fixed)} a record")
    else:
        _add_difference(lines, net, "Rounding")
    return lines


def _listed(price: Price, records: int, billed: Decimal, cost: Decimal) -> Decimal:
    """The list prices of equal records that have so many units and so much cost together."""
    count = Decimal(records)
    if not price.is_clamped:
        fixed = EXACT.multiply(price.fixed, count)
        return EXACT.add(list_base(price, billed=billed, cost=cost), fixed)
    each = _divided(list_base(price, billed=billed, cost=cost), count)
    return EXACT.multiply(clamped(price, EXACT.add(each, price.fixed)), count)


def _cost_of_billed(part: Part, billed: Decimal) -> Decimal:
    """The provider's cost of the units that are billed, at the unit cost of those used."""
    if billed == part.quantity or not part.quantity:
        return part.cost
    return _divided(EXACT.multiply(part.cost, billed), part.quantity)


def _divided(amount: Decimal, by: Decimal) -> Decimal:
    """What has no end as a decimal is cut far behind anything that is charged."""
    return EXACT.divide(amount, by).quantize(_FINEST, context=EXACT)


def _cost_lines(price: CostPlus, cost: Decimal) -> list[PriceLine]:
    if not cost:
        return []
    factor = EXACT.add(_ONE, EXACT.divide(price.markup_percentage, _HUNDRED))
    described = f"Provider cost plus {figure(price.markup_percentage)} %"
    return [PriceLine(described, cost, factor, ZERO, EXACT.multiply(cost, factor))]


def _add_difference(lines: list[PriceLine], amount: Decimal, description: str) -> None:
    """A line for what the others miss of `amount`."""
    missing = amount
    for line in lines:
        missing = EXACT.subtract(missing, line.amount)
    if missing:
        lines.append(PriceLine(description, None, None, ZERO, missing))


def _clamp_name(price: Price) -> str:
    named = []
    if price.min_amount is not None:
        named.append(f"minimum of {figure(price.min_amount)}")
    if price.max_amount is not None:
        named.append(f"maximum of {figure(price.max_amount)}")
    return f"{' and '.join(named)} a record".capitalize()
