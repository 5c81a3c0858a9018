"""The list price: what a record is written with, whatever else its month brings.

It is final. What the month's quantity changes is added up apart (`periods`), so it must be safe to
compare a limit with sums of list prices: the list price of a unit is the highest that it can have.
"""

from decimal import ROUND_CEILING, Decimal

from billing.money import EXACT, ZERO
from billing.rating.prices import CostPlus, Graduated, Increment, Package, PerUnit, Price, Volume

_STEP = Decimal("1E-10")
_HUNDRED = Decimal(100)
_ONE = Decimal(1)


def billed_quantity(increment: Increment | None, quantity: Decimal) -> Decimal:
    """`quantity` in billing increments: 0.31 with {first 0.5, step 0.1} is 0.5, 0.61 is 0.7."""
    if increment is None or not quantity:
        return quantity
    if quantity < 0:
        return EXACT.minus(billed_quantity(increment, EXACT.minus(quantity)))
    if quantity <= increment.first:
        return increment.first
    beyond = EXACT.subtract(quantity, increment.first)
    steps, rest = EXACT.divmod(beyond, increment.step)
    if rest:
        steps = EXACT.add(steps, _ONE)
    return EXACT.add(increment.first, EXACT.multiply(steps, increment.step))


def list_unit_price(price: Price) -> Decimal | None:
    """The most that a unit can cost beyond what is included; None for a price from the cost."""
    return None if isinstance(price, CostPlus) else unit_price_of(price)


def unit_price_of(price: Price) -> Decimal:
    """The list price of a unit; a package's is its share of a full one, rounded up to ten
    decimals."""
    match price:
        case PerUnit():
            return price.unit_price
        case Graduated() | Volume():
            return max(tier.unit_price for tier in price.tiers)
        case Package():
            share = EXACT.divide(price.price, price.size)
            return share.quantize(_STEP, rounding=ROUND_CEILING, context=EXACT)
        case _:
            raise TypeError(f"{price.model} is not a price by the unit")


def list_amount(price: Price, *, billed: Decimal, cost: Decimal) -> Decimal:
    """What a record of `billed` units costs at list price, exact and unrounded.

    `cost` is what the provider charges for the billed units; only a price from the cost reads it.
    A record of zero units that cost nothing has no price.
    """
    if not billed and not cost:
        return ZERO
    return clamped(price, EXACT.add(list_base(price, billed=billed, cost=cost), price.fixed))


def list_base(price: Price, *, billed: Decimal, cost: Decimal) -> Decimal:
    """What units cost at list price, without what is added to each record."""
    if isinstance(price, CostPlus):
        factor = EXACT.add(_ONE, EXACT.divide(price.markup_percentage, _HUNDRED))
        return EXACT.multiply(cost, factor)
    return EXACT.multiply(billed, unit_price_of(price))


def clamped(price: Price, amount: Decimal) -> Decimal:
    """A record's amount, kept between the price's minimum and maximum."""
    if price.min_amount is not None and amount < price.min_amount:
        return price.min_amount
    if price.max_amount is not None and amount > price.max_amount:
        return price.max_amount
    return amount
