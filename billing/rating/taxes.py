"""Treatment of a document by tax: who charges it, to whom, by which place's rates. Pure functions.

A supplier is registered for tax in some countries. Of a document's customer it knows the country,
whether it is a business, and what was found of its tax number. From these follows the treatment of
the whole document; what that comes to is worked out by `billing.rating.tax_amounts`.

Services to businesses are supplied where the customer is (Article 44 of Directive 2006/112/EC), and
so are electronic ones to consumers (Article 58).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from billing.rating.ca_provinces import province_code
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


class _States(NamedTuple):
    """A country whose states tax by themselves."""

    code_of: Callable[[str], str]
    needed: str


_STATES = {
    "US": _States(state_code, "the US needs its state, as TX or Texas"),
    "CA": _States(province_code, "Canada needs its province, as ON or Ontario"),
}


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
    """`number_is_valid` is None where nobody has said yet whether it is. `tested_by_form`: only
    the number's form and check digits say so, and no register was asked."""

    country: str
    region: str
    status: str
    number: str = ""
    number_is_valid: bool | None = None
    exemption: str = ""
    tested_by_form: bool = False


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
    """Where states tax by themselves, the customer's has to be known."""
    known = _STATES.get(customer.country)
    if known is None or known.code_of(customer.region):
        return
    if any(each.country == customer.country for each in registrations):
        said = f"{customer.region!r} is none" if customer.region else "It has none"
        raise Undecided("no_billing_state", f"Its billing address in {known.needed}: {said}.")


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
                f"a business in {customer.country} with a valid number accounts for the tax"
                if not customer.tested_by_form
                else f"a business in {customer.country} accounts for the tax; only the form and"
                " check digits of its number were tested: the register (VIES) is not asked",
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
    region = region_key(customer.country, customer.region)
    for each in there:
        if each.region and region_key(each.country, each.region) == region:
            return each
    return next((each for each in there if not each.region), None)


def region_key(country: str, text: str) -> str:
    """A region in the form in which regions are compared."""
    known = _STATES.get(country)
    return known.code_of(text) if known else text.strip().casefold()


def _is_of_eu(registration: Registration) -> bool:
    return registration.country == ONE_STOP_SHOP or registration.country in EU


def _home_in_eu(registrations: Sequence[Registration]) -> Registration:
    of_eu = [each for each in registrations if _is_of_eu(each)]
    of_eu.sort(key=lambda each: (not each.is_home, each.consumers_only))
    return of_eu[0]
