"""Tax of a document: who charges it, to whom, at which rates; and its amounts. Pure functions.

A supplier is registered for tax in some countries. Of a document's customer it knows the country,
whether it is a business, and what was found of its tax number. From these follows the treatment of
the whole document; from it and the class of each line its category and rate. Lines of one category
and rate are taxed together, and that tax is rounded once.

Services to businesses are supplied where the customer is (Article 44 of Directive 2006/112/EC), and
so are electronic ones to consumers (Article 58).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from enum import StrEnum

from billing.money import EXACT, ZERO, allocate, from_minor, to_charge_minor
from billing.rating.us_states import state_code

EU = frozenset(
    "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK".split()
)
# A registration that stands for all member states: the one-stop shop.
ONE_STOP_SHOP = "EU"
# Where rates depend on the address: the amounts are asked for (`billing.rating.sales_tax`).
CALCULATED = frozenset(["US"])
STANDARD = "standard"
EXEMPT = "exempt"
_HUNDRED = Decimal(100)


class Status(StrEnum):
    """What a customer is to the tax office."""

    BUSINESS = "business"
    CONSUMER = "consumer"
    EXEMPT = "exempt"


class Treatment(StrEnum):
    TAXED = "taxed"
    REVERSE_CHARGE = "reverse_charge"
    EXPORT = "export"
    EXEMPT = "exempt"


@dataclass(frozen=True, slots=True)
class Registration:
    """Where and as whom the supplier is registered.

    `consumers_only`: it is for customers who are no business, as the one-stop shop is. `is_home`:
    the supplier is established there.
    """

    id: str
    country: str
    region: str
    number: str
    consumers_only: bool = False
    is_home: bool = False


@dataclass(frozen=True, slots=True)
class Customer:
    """`number_is_valid` is None where nobody has said yet whether it is."""

    country: str
    region: str
    status: str
    number: str = ""
    number_is_valid: bool | None = None
    exemption: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """How a document is taxed. `country` and `region` say whose rates hold where it is taxed."""

    treatment: Treatment
    registration: Registration
    country: str
    region: str
    why: str
    text: str = ""
    reason_code: str = ""

    @property
    def is_calculated(self) -> bool:
        """Whether its amounts are asked for: no table has the rates of its place."""
        at_home = self.treatment in (Treatment.TAXED, Treatment.EXEMPT)
        return at_home and self.country in CALCULATED


class Undecided(Exception):
    """The tax cannot be decided on as things are; `code` says which rule is missing what."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def decide(registrations: Sequence[Registration], customer: Customer) -> Decision | None:
    """How the customer's document is taxed. Raises `Undecided`.

    None without a registration, and where none of them has to do with the customer.
    """
    if not registrations:
        return None
    if not customer.country:
        raise Undecided("no_billing_country", "It has no billing country, which decides its tax.")
    _require_state(registrations, customer)
    domestic = _of_country(registrations, customer)
    if domestic is not None and not domestic.consumers_only:
        return _taxed_at(
            domestic,
            customer,
            f"the customer is in {domestic.country}, where the seller is registered",
        )
    if customer.country in EU and any(_is_of_eu(each) for each in registrations):
        return _within_eu(registrations, customer)
    if domestic is not None and not (customer.status == Status.BUSINESS and customer.number):
        return _taxed_at(
            domestic,
            customer,
            f"a customer in {domestic.country} who is no business; the seller is registered there",
        )
    home = next((each for each in registrations if each.is_home), None)
    # Elsewhere the tax of a country in which the seller is no more than registered is none of it;
    # nor is that of another state of its own.
    if home is None or home.country == customer.country:
        return None
    return _outside(home, customer)


def _require_state(registrations: Sequence[Registration], customer: Customer) -> None:
    """Where each state taxes by itself, the customer's has to be known."""
    if customer.country not in CALCULATED or state_code(customer.region):
        return
    if any(each.country == customer.country for each in registrations):
        said = f"{customer.region!r} is none" if customer.region else "It has none"
        raise Undecided(
            "no_billing_state",
            f"Its billing address in the US needs its state, as TX or Texas: {said}.",
        )


def _within_eu(registrations: Sequence[Registration], customer: Customer) -> Decision | None:
    home = _home_in_eu(registrations)
    if customer.status == Status.BUSINESS and customer.number:
        if customer.number_is_valid is None:
            raise Undecided(
                "tax_number_not_checked",
                f"Its tax number {customer.number} has not been checked yet: the register of"
                " VAT numbers (VIES) has not answered. It is asked again by itself; under"
                " Customers' numbers it can be asked at once, or answered by hand.",
            )
        if customer.number_is_valid:
            return Decision(
                Treatment.REVERSE_CHARGE,
                home,
                customer.country,
                customer.region,
                f"a business in {customer.country} with a valid number accounts for the tax",
                "Reverse charge: the customer accounts for VAT"
                " (Articles 44 and 196 of Directive 2006/112/EC).",
                "VATEX-EU-AE",
            )
    for each in registrations:
        if each.country == ONE_STOP_SHOP:
            return _taxed_at(each, customer, "the customer has no valid VAT number: one-stop shop")
    if not home.is_home:
        return None
    # Below the threshold of Article 59c it is taxed where the seller is.
    return _taxed_at(
        home,
        customer,
        "the customer has no valid VAT number, and the seller no registration there",
        country=home.country,
        region=home.region,
    )


def _outside(home: Registration, customer: Customer) -> Decision:
    within = home.country in EU
    text = (
        "Not subject to VAT: supplied outside of the European Union"
        " (Articles 44, 58 and 59 of Directive 2006/112/EC)."
        if within
        else f"Not subject to tax in {home.country}: supplied outside of it. A business accounts"
        " for the tax of its own country."
    )
    return Decision(
        Treatment.EXPORT,
        home,
        customer.country,
        customer.region,
        f"the customer is in {customer.country}, where the seller is not registered",
        text,
        "VATEX-EU-G" if within else "",
    )


def _taxed_at(
    registration: Registration,
    customer: Customer,
    why: str,
    *,
    country: str | None = None,
    region: str | None = None,
) -> Decision:
    if customer.status == Status.EXEMPT:
        return Decision(
            Treatment.EXEMPT,
            registration,
            country or customer.country,
            customer.region if region is None else region,
            "the customer is exempt from the tax",
            f"Exempt from tax: {customer.exemption}",
            "",
        )
    return Decision(
        Treatment.TAXED,
        registration,
        country or customer.country,
        (registration.region or customer.region) if region is None else region,
        why,
    )


def _of_country(registrations: Sequence[Registration], customer: Customer) -> Registration | None:
    """The registration of the customer's region, else that of the whole country."""
    there = [each for each in registrations if each.country == customer.country]
    region = _region(customer.country, customer.region)
    for each in there:
        if each.region and _region(each.country, each.region) == region:
            return each
    return next((each for each in there if not each.region), None)


def _region(country: str, text: str) -> str:
    """In the form in which regions are compared."""
    return state_code(text) if country in CALCULATED else text.strip().casefold()


def _is_of_eu(registration: Registration) -> bool:
    return registration.country == ONE_STOP_SHOP or registration.country in EU


def _home_in_eu(registrations: Sequence[Registration]) -> Registration:
    of_eu = [each for each in registrations if _is_of_eu(each)]
    of_eu.sort(key=lambda each: (not each.is_home, each.consumers_only))
    return of_eu[0]


@dataclass(frozen=True, slots=True)
class Rate:
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

    net: Decimal
    tax: Decimal
    nets: Sequence[Decimal]
    categories: Sequence[Category]
    groups: Sequence[TaxedGroup]

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
    rate_of: Callable[[str, str, str], Rate | None],
    currency: str,
    prices_include_tax: bool,
) -> Taxed:
    """Tax lines of (amount in whole charge steps, tax class, "" for standard).

    `rate_of` gives the rate of a country, a region and a class. Where prices include the tax, each
    group's tax is taken out of its sum, and its lines share what is left by largest remainder.
    Where none is charged they are charged whole. Raises `Undecided` where a rate is missing.
    """
    rates: dict[str, tuple[Category, Rate | None]] = {}
    for _, tax_class in lines:
        if tax_class not in rates:
            rates[tax_class] = _category(decision, tax_class or STANDARD, rate_of)
    categories = [rates[tax_class][0] for _, tax_class in lines]
    places: dict[Category, list[int]] = {}
    for place, category in enumerate(categories):
        places.setdefault(category, []).append(place)
    nets = [amount for amount, _ in lines]
    groups = []
    rate_by_category: Mapping[Category, Rate | None] = dict(rates.values())
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
        return Taxed(
            sum((group.base for group in groups), ZERO),
            sum((group.tax for group in groups), ZERO),
            nets,
            categories,
            groups,
        )


def _category(
    decision: Decision, tax_class: str, rate_of: Callable[[str, str, str], Rate | None]
) -> tuple[Category, Rate | None]:
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
