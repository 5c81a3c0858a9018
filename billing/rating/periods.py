"""What a period's quantity costs: G(quantity), its lines, and the adjustment to list prices.

    adjustment = what the period costs - the sum of its records' list prices

It depends on sums only, so a record that is taken back takes back its own list price, and the
adjustment follows by itself. It is never stored while the period runs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal

from billing.money import EXACT, ZERO, without_exponent
from billing.rating.listing import unit_price_of
from billing.rating.prices import CostPlus, Graduated, Package, PerUnit, Price, Tier, Volume

_STEP = Decimal("1E-10")
_ONE = Decimal(1)
# With a quantity's six they make the ten that a record keeps.
_EXACT_PRICE_DECIMALS = 4


@dataclass(frozen=True, slots=True)
class PriceLine:
    """`amount` is `quantity` x `unit_price` + `flat`, exactly; of an amount by itself, both of the
    first are None."""

    description: str
    quantity: Decimal | None
    unit_price: Decimal | None
    flat: Decimal
    amount: Decimal


def depends_on_period(price: Price) -> bool:
    """Whether what a record costs in the end depends on its whole period."""
    return bool(price.included) or isinstance(price, Graduated | Volume | Package)


def period_lines(price: Price, quantity: Decimal) -> list[PriceLine]:
    """G(quantity): what so many billed units of a period cost, in lines whose sum it is.

    For prices by the unit; what each record adds (fixed amounts, minimum, maximum) is not in it.
    A negative quantity, which later periods have when they take back more than they used, costs
    what that many units cost without flat amounts, negated.
    """
    if quantity < 0:
        return [_negated(line) for line in _lines(price, EXACT.minus(quantity), taken_back=True)]
    return list(_lines(price, quantity, taken_back=False))


def lines_since(before: list[PriceLine], after: list[PriceLine]) -> list[PriceLine]:
    """What has come to the lines of a smaller quantity when they are those of a larger one.

    A line that is not in `after` any more (all units have another price now) is taken off.
    """
    places = {(line.description, line.unit_price): line for line in before}
    found = []
    for line in after:
        earlier = places.pop((line.description, line.unit_price), None)
        found.append(line if earlier is None else _difference(line, earlier))
    found += [_negated(line) for line in places.values()]
    return [line for line in found if line.quantity or line.flat or line.amount]


def _difference(line: PriceLine, earlier: PriceLine) -> PriceLine:
    quantity = None
    if line.quantity is not None:
        quantity = EXACT.subtract(line.quantity, earlier.quantity or ZERO)
    return PriceLine(
        line.description,
        quantity,
        line.unit_price,
        EXACT.subtract(line.flat, earlier.flat),
        EXACT.subtract(line.amount, earlier.amount),
    )


def period_amount(price: Price, quantity: Decimal) -> Decimal:
    """G(quantity) by itself."""
    return _sum(line.amount for line in period_lines(price, quantity))


def adjustment(price: Price, *, billed: Decimal, listed: Decimal) -> Decimal:
    """What the period adds to `listed`, the sum of its records' list prices; mostly negative.

    `billed` is the sum of their billed quantities. Exact, but for prices that share out a
    sum and are cut to ten decimals: a price from the cost with included units, where every
    unit is as free as the others, and any with a minimum or maximum a record, where the period
    takes the same share off each record as off its units.
    """
    if not depends_on_period(price):
        return ZERO
    if isinstance(price, CostPlus):
        used = billed.copy_abs()
        return _shared(listed, EXACT.minus(min(price.included, used)), used)
    unit_price = unit_price_of(price)
    if price.is_clamped:
        lines = period_lines(price, billed)
        flats = _sum(line.flat for line in lines)
        units = EXACT.subtract(_sum(line.amount for line in lines), flats)
        at_list = EXACT.multiply(unit_price, billed)
        return EXACT.add(_shared(listed, EXACT.subtract(units, at_list), at_list), flats)
    total = period_amount(price, billed)
    if price.fixed:
        return EXACT.subtract(total, EXACT.multiply(unit_price, billed))
    return EXACT.subtract(total, listed)


def net_grows_within_list(price: Price) -> bool:
    """Whether a record never adds more to its period than its list price.

    Where that is not so (a package is started, a tier's flat amount is added, a volume's price
    rises, a share is taken off), sums of list prices are no bound for what comes next. Nor are they
    where the list price of a quantity may have more decimals than a record keeps.
    """
    if not depends_on_period(price):
        return True
    if not isinstance(price, CostPlus) and _decimals(unit_price_of(price)) > _EXACT_PRICE_DECIMALS:
        return False
    match price:
        case CostPlus() | Package():
            return False
        case Graduated() | Volume():
            if price.is_clamped or any(tier.flat for tier in price.tiers):
                return False
            prices = [tier.unit_price for tier in price.tiers]
            return isinstance(price, Graduated) or prices == sorted(prices, reverse=True)
        case _:
            return not price.is_clamped


def _lines(price: Price, quantity: Decimal, *, taken_back: bool) -> Iterator[PriceLine]:
    free = min(price.included, quantity)
    if free:
        yield PriceLine(f"Included, of {figure(price.included)}", free, ZERO, ZERO, ZERO)
    charged = EXACT.subtract(quantity, free)
    if not charged:
        return
    match price:
        case PerUnit():
            yield _line("Units", charged, price.unit_price)
        case Graduated():
            yield from _graduated(price.tiers, charged, taken_back=taken_back)
        case Volume():
            lower = ZERO
            for tier in price.tiers:
                if tier.up_to is None or charged <= tier.up_to:
                    yield _tier_line("All units", lower, tier, charged, taken_back=taken_back)
                    return
                lower = tier.up_to
        case Package():
            packages, rest = EXACT.divmod(charged, price.size)
            started = EXACT.add(packages, _ONE) if rest and not taken_back else packages
            yield _line(f"Packages of {figure(price.size)}", started, price.price)
        case _:
            raise TypeError(f"{price.model} is not a price by the unit")


def _graduated(
    tiers: tuple[Tier, ...], charged: Decimal, *, taken_back: bool
) -> Iterator[PriceLine]:
    lower = ZERO
    for tier in tiers:
        upper = charged if tier.up_to is None else min(charged, tier.up_to)
        if upper > lower:
            inside = EXACT.subtract(upper, lower)
            yield _tier_line("Units", lower, tier, inside, taken_back=taken_back)
        if tier.up_to is None or charged <= tier.up_to:
            return
        lower = tier.up_to


def _tier_line(
    what: str, lower: Decimal, tier: Tier, quantity: Decimal, *, taken_back: bool
) -> PriceLine:
    if tier.up_to is None:
        described = f"{what} above {figure(lower)}" if lower else what
    elif lower:
        described = f"{what} above {figure(lower)} up to {figure(tier.up_to)}"
    else:
        described = f"{what} up to {figure(tier.up_to)}"
    return _line(described, quantity, tier.unit_price, ZERO if taken_back else tier.flat)


def _line(
    description: str, quantity: Decimal, unit_price: Decimal, flat: Decimal = ZERO
) -> PriceLine:
    amount = EXACT.add(EXACT.multiply(quantity, unit_price), flat)
    return PriceLine(description, quantity, unit_price, flat, amount)


def _negated(line: PriceLine) -> PriceLine:
    quantity = None if line.quantity is None else EXACT.minus(line.quantity)
    return PriceLine(
        line.description,
        quantity,
        line.unit_price,
        EXACT.minus(line.flat),
        EXACT.minus(line.amount),
    )


def _shared(amount: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    """`amount` x `part` / `whole`, cut to ten decimals; nothing of nothing."""
    if not whole:
        return ZERO
    if part.copy_abs() == whole.copy_abs():
        return amount if part == whole else EXACT.minus(amount)
    share = EXACT.divide(EXACT.multiply(amount, part), whole)
    return share.quantize(_STEP, rounding=ROUND_DOWN, context=EXACT)


def _decimals(value: Decimal) -> int:
    return max(0, -int(value.normalize(EXACT).as_tuple().exponent))


def _sum(amounts: Iterator[Decimal]) -> Decimal:
    total = ZERO
    for amount in amounts:
        total = EXACT.add(total, amount)
    return total


def figure(value: Decimal) -> str:
    """A quantity as people read it: 1,000, 0.5."""
    whole, _, fraction = without_exponent(value).partition(".")
    fraction = fraction.rstrip("0")
    return f"{int(whole):,}" + (f".{fraction}" if fraction else "")
