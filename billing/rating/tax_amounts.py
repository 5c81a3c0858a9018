"""Amounts of a document's tax, line by line and rate by rate. Pure functions.

From a document's treatment (`billing.rating.taxes`) and the class of each line follow its category
and rate. Lines of one category and rate are taxed together, and that tax is rounded once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext

from billing.money import EXACT, ZERO, allocate, from_minor, to_charge_minor
from billing.rating.taxes import EXEMPT, STANDARD, Decision, Treatment, Undecided

_HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True)
class TaxRateInForce:
    """A percentage of a country or region for one class, as it holds on the document's day."""

    id: str
    percent: Decimal
    name: str


@dataclass(frozen=True, slots=True, order=True)
class Category:
    """What a line is taxed as: its code in EN 16931 and its rate in percent."""

    code: str
    rate: Decimal


@dataclass(frozen=True, slots=True)
class TaxedGroup:
    """Lines of one category and rate; `base` is before tax, all in whole charge steps."""

    category: Category
    name: str
    base: Decimal
    tax: Decimal
    text: str
    reason_code: str
    rate_id: str = ""
    # The tax is as it was answered, which may round otherwise than `base` times the rate.
    is_calculated: bool = False


@dataclass(frozen=True, slots=True)
class Taxed:
    """A document's tax: `nets` and `categories` are those of its lines, in their order."""

    nets: Sequence[Decimal]
    categories: Sequence[Category]
    groups: Sequence[TaxedGroup]

    @property
    def net(self) -> Decimal:
        with localcontext(EXACT):
            return sum((group.base for group in self.groups), ZERO)

    @property
    def tax(self) -> Decimal:
        with localcontext(EXACT):
            return sum((group.tax for group in self.groups), ZERO)

    @property
    def gross(self) -> Decimal:
        return EXACT.add(self.net, self.tax)


def tax_of(base: Decimal, percent: Decimal, currency: str) -> Decimal:
    """The tax on `base`, rounded half-up once to the step in which `currency` is charged."""
    with localcontext(EXACT):
        return from_minor(to_charge_minor(base * percent / _HUNDRED, currency), currency)


def tax_within(gross: Decimal, percent: Decimal, currency: str) -> Decimal:
    """The tax that `gross` has in it, rounded the same way."""
    with localcontext(EXACT):
        tax = gross * percent / (_HUNDRED + percent)
        return from_minor(to_charge_minor(tax, currency), currency)


_UNTAXED = {
    Treatment.REVERSE_CHARGE: "AE",
    Treatment.EXPORT: "G",
    Treatment.EXEMPT: "E",
}
EXEMPT_BY_LAW = "Exempt from tax by law."


def apply(
    decision: Decision,
    lines: Sequence[tuple[Decimal, str]],
    *,
    rate_of: Callable[[str, str, str], TaxRateInForce | None],
    currency: str,
    prices_include_tax: bool,
) -> Taxed:
    """Tax lines of (amount in whole charge steps, tax class, "" for standard).

    `rate_of` gives the rate of a country, a region and a class. Where prices include the tax, each
    group's tax is taken out of its sum, and its lines share what is left by largest remainder.
    Where none is charged they are charged whole. Raises `Undecided` where a rate is missing.
    """
    rates: dict[str, tuple[Category, TaxRateInForce | None]] = {}
    for _, tax_class in lines:
        if tax_class not in rates:
            rates[tax_class] = _category(decision, tax_class or STANDARD, rate_of)
    categories = [rates[tax_class][0] for _, tax_class in lines]
    places: dict[Category, list[int]] = {}
    for place, category in enumerate(categories):
        places.setdefault(category, []).append(place)
    nets = [amount for amount, _ in lines]
    groups = []
    rate_by_category: Mapping[Category, TaxRateInForce | None] = dict(rates.values())
    with localcontext(EXACT):
        for category in sorted(places, key=lambda each: (-each.rate, each.code)):
            members = places[category]
            total = sum((nets[place] for place in members), ZERO)
            if prices_include_tax:
                tax = tax_within(total, category.rate, currency)
                if tax:
                    share = [nets[place] - nets[place] * tax / total for place in members]
                    minors = allocate(share, currency)
                    for place, minor in zip(members, minors, strict=True):
                        nets[place] = from_minor(minor, currency)
                base = total - tax
            else:
                base, tax = total, tax_of(total, category.rate, currency)
            rate = rate_by_category[category]
            groups.append(
                TaxedGroup(
                    category,
                    rate.name if rate else "VAT",
                    base,
                    tax,
                    _text(decision, category),
                    decision.reason_code if category.code != "S" else "",
                    rate.id if rate else "",
                )
            )
        return Taxed(nets, categories, groups)


def _category(
    decision: Decision, tax_class: str, rate_of: Callable[[str, str, str], TaxRateInForce | None]
) -> tuple[Category, TaxRateInForce | None]:
    if decision.treatment != Treatment.TAXED:
        return Category(_UNTAXED[decision.treatment], ZERO), None
    if tax_class == EXEMPT:
        return Category("E", ZERO), None
    rate = rate_of(decision.country, decision.region, tax_class)
    if rate is None:
        where = f"{decision.country} {decision.region}".strip()
        raise Undecided(
            "no_tax_rate", f"There is no tax rate of class {tax_class!r} for {where} on that day."
        )
    return Category("S" if rate.percent else "Z", rate.percent), rate


def _text(decision: Decision, category: Category) -> str:
    if decision.treatment != Treatment.TAXED:
        return decision.text
    return EXEMPT_BY_LAW if category.code == "E" else ""
