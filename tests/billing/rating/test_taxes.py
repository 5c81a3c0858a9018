"""Who is charged which tax, and what it comes to to the cent."""

from decimal import Decimal

import pytest

from billing.rating.tax_amounts import Category, TaxRateInForce, apply, tax_of, tax_within
from billing.rating.taxes import (
    Customer,
    Decision,
    Registration,
    Treatment,
    Undecided,
    decide,
)

HOME = Registration("1", "DE", "", "DE136695976", is_home=True)
OSS = Registration("2", "EU", "", "EU372022452", consumers_only=True)
FRANCE = Registration("3", "FR", "", "FR40303265045")
VOEC = Registration("4", "NO", "", "2042013", consumers_only=True)
BRITISH = Registration("5", "GB", "", "GB980780684", is_home=True)
PERCENT = {"DE": "19", "FR": "20", "NO": "25", "GB": "20", "AT": "20"}
REDUCED = {"DE": "7"}


def customer(country: str, status: str = "business", number: str = "", valid: bool | None = False):
    return Customer(country, "", status, number, valid)


@pytest.mark.parametrize(
    ("registrations", "who", "treatment", "rates_of", "by"),
    [
        ([HOME], customer("DE"), "taxed", "DE", HOME),
        ([HOME], customer("DE", "consumer"), "taxed", "DE", HOME),
        ([HOME], customer("DE", "business", "DE811569869", None), "taxed", "DE", HOME),
        # A business elsewhere in the EU accounts for it, if its number is valid.
        ([HOME], customer("FR", "business", "FR1", True), "reverse_charge", "FR", HOME),
        ([HOME], customer("FR", "business", "FR1", False), "taxed", "DE", HOME),
        ([HOME], customer("FR", "business"), "taxed", "DE", HOME),
        ([HOME], customer("FR", "consumer"), "taxed", "DE", HOME),
        ([HOME, OSS], customer("FR", "consumer"), "taxed", "FR", OSS),
        ([HOME, OSS], customer("FR", "business"), "taxed", "FR", OSS),
        ([HOME, OSS], customer("FR", "business", "FR1", True), "reverse_charge", "FR", HOME),
        # Registered where the customer is: everybody there is charged its tax.
        ([HOME, FRANCE], customer("FR", "business", "FR1", True), "taxed", "FR", FRANCE),
        # Outside of the EU.
        ([HOME], customer("US"), "export", "US", HOME),
        ([HOME, VOEC], customer("NO", "consumer"), "taxed", "NO", VOEC),
        ([HOME, VOEC], customer("NO", "business", "974760673MVA"), "export", "NO", HOME),
        ([BRITISH], customer("GB"), "taxed", "GB", BRITISH),
        ([BRITISH], customer("DE", "business", "DE1", True), "export", "DE", BRITISH),
        # One-stop shop of a company from outside of the EU.
        ([BRITISH, OSS], customer("FR", "consumer"), "taxed", "FR", OSS),
        ([BRITISH, OSS], customer("FR", "business", "FR1", True), "reverse_charge", "FR", OSS),
    ],
)
def test_who_is_taxed_where(registrations, who, treatment, rates_of, by) -> None:
    decision = decide(registrations, who)

    assert decision is not None
    assert (decision.treatment, decision.country, decision.registration) == (
        treatment,
        rates_of,
        by,
    )


def test_without_a_registration_nobody_is_taxed() -> None:
    assert decide([], customer("")) is None


def test_who_is_registered_abroad_alone_taxes_nobody_elsewhere() -> None:
    assert decide([FRANCE], customer("US")) is None
    assert decide([OSS], customer("US")) is None
    assert decide([FRANCE], customer("PT")) is None


def test_an_exempt_customer_is_exempt_where_it_would_be_taxed() -> None:
    embassy = Customer("DE", "", "exempt", exemption="Article 151, certificate 15.10")

    decision = decide([HOME], embassy)

    assert decision is not None
    assert (decision.treatment, decision.text) == (
        "exempt",
        "Exempt from tax: Article 151, certificate 15.10",
    )


@pytest.mark.parametrize(
    ("who", "code"),
    [
        (customer(""), "no_billing_country"),
        (customer("FR", "business", "FR1", None), "tax_number_not_checked"),
    ],
)
def test_what_cannot_be_decided_says_what_is_missing(who, code) -> None:
    with pytest.raises(Undecided) as raised:
        decide([HOME], who)
    assert raised.value.code == code


@pytest.mark.parametrize(
    ("country", "region"), [("US", "CA"), ("US", " California "), ("US", "us-ca"), ("ES", " ca ")]
)
def test_a_registration_of_a_region_is_for_its_customers(country, region) -> None:
    there = Registration("6", country, "CA", "123", is_home=True)

    decision = decide([there], Customer(country, region, "business"))

    assert decision is not None
    assert (decision.treatment, decision.region) == ("taxed", "CA")
    assert decision.is_calculated == (country == "US")


def test_a_customer_in_canada_needs_its_province() -> None:
    there = Registration("6", "CA", "", "123456789 RT0001", is_home=True)

    decision = decide([there], Customer("CA", "Ontario", "business"))

    assert decision is not None
    assert (decision.treatment, decision.region) == ("taxed", "Ontario")
    with pytest.raises(Undecided, match="needs its province, as ON or Ontario: 'Texas' is none"):
        decide([there], Customer("CA", "Texas", "business"))


def test_another_state_than_those_of_registrations_is_none_of_ours() -> None:
    california = Registration("6", "US", "CA", "123", is_home=True)

    assert decide([california], Customer("US", "New York", "business")) is None
    german = decide([HOME, california], Customer("US", "NY", "business"))
    assert german is not None
    assert (german.treatment, german.is_calculated) == ("export", False)
    with pytest.raises(Undecided, match="needs its state"):
        decide([california], Customer("US", "", "business"))


# Peers' cases: the tax of one line, rounded half-up once to what the currency has.
@pytest.mark.parametrize(
    ("base", "percent", "currency", "tax"),
    [
        ("99.99", "20", "EUR", "20.00"),
        ("123.45", "7.25", "USD", "8.95"),
        ("100.00", "33.333", "USD", "33.33"),
        ("999", "10.5", "JPY", "105"),
        ("100.00", "0.01", "USD", "0.01"),
        ("0.00", "10", "USD", "0.00"),
        ("999999.99", "10", "USD", "100000.00"),
        ("100.00", "0.001", "USD", "0.00"),
        ("10.00", "12.5", "USD", "1.25"),
        ("9.00", "5", "USD", "0.45"),
        # Each of several rates by itself, then added.
        ("100.00", "8", "USD", "8.00"),
        ("99.99", "8.875", "USD", "8.87"),
        ("99.99", "2.125", "USD", "2.12"),
        ("99.99", "0.5", "USD", "0.50"),
        # In steps that can be charged: ten fils, whole crowns.
        ("20.990", "15", "KWD", "3.150"),
        ("1001", "24", "ISK", "240"),
        ("-9.90", "19", "EUR", "-1.88"),
    ],
)
def test_a_tax_is_rounded_once(base, percent, currency, tax) -> None:
    assert str(tax_of(Decimal(base), Decimal(percent), currency)) == tax


def test_a_tax_within_a_price_is_taken_out_of_it() -> None:
    assert str(tax_within(Decimal("119.00"), Decimal(19), "EUR")) == "19.00"
    assert str(tax_within(Decimal("61.34"), Decimal(19), "EUR")) == "9.79"


TAXED = Decision(Treatment.TAXED, HOME, "DE", "", "")


def rate_of(country: str, region: str, tax_class: str) -> TaxRateInForce | None:
    percents = {"standard": PERCENT, "reduced": REDUCED, "zero": {"DE": "0"}}.get(tax_class, {})
    return TaxRateInForce("r", Decimal(percents[country]), "VAT") if country in percents else None


def taxed(lines, *, decision=TAXED, inclusive=False, currency="EUR"):
    return apply(
        decision,
        [(Decimal(amount), tax_class) for amount, tax_class in lines],
        rate_of=rate_of,
        currency=currency,
        prices_include_tax=inclusive,
    )


def shown(result):
    return [
        (group.category.code, str(group.category.rate), str(group.base), str(group.tax))
        for group in result.groups
    ]


def test_lines_of_one_rate_are_taxed_together() -> None:
    # Line by line it would be 0.02 + 0.02 + 0.02.
    result = taxed([("0.09", ""), ("0.09", ""), ("0.09", "")])

    assert shown(result) == [("S", "19", "0.27", "0.05")]
    assert (str(result.net), str(result.tax), str(result.gross)) == ("0.27", "0.05", "0.32")


def test_each_class_has_its_own_rate_and_highest_rates_come_first() -> None:
    result = taxed([("10.00", "exempt"), ("100.00", ""), ("50.00", "reduced"), ("1.00", "zero")])

    assert shown(result) == [
        ("S", "19", "100.00", "19.00"),
        ("S", "7", "50.00", "3.50"),
        ("E", "0", "10.00", "0.00"),
        ("Z", "0", "1.00", "0.00"),
    ]
    assert str(result.gross) == "183.50"
    assert [category.code for category in result.categories] == ["E", "S", "S", "Z"]


def test_prices_with_tax_share_what_is_left_of_it() -> None:
    result = taxed([("33.33", ""), ("33.33", ""), ("33.34", "")], inclusive=True)

    assert shown(result) == [("S", "19", "84.03", "15.97")]
    assert [str(net) for net in result.nets] == ["28.01", "28.01", "28.01"]
    assert str(result.gross) == "100.00"


def test_prices_with_tax_are_shared_in_the_steps_that_a_card_takes() -> None:
    result = taxed([("10.010", ""), ("10.010", "")], inclusive=True, currency="KWD")

    assert shown(result) == [("S", "19", "16.820", "3.200")]
    assert [str(net) for net in result.nets] == ["8.410", "8.410"]
    result = taxed([("10.010", ""), ("0.020", "")], inclusive=True, currency="KWD")
    assert [str(net) for net in result.nets] == ["8.410", "0.020"]


def test_reverse_charge_charges_nothing_and_says_why() -> None:
    decision = decide([HOME], customer("FR", "business", "FR1", True))
    assert decision is not None
    result = taxed([("100.00", ""), ("50.00", "reduced")], decision=decision)

    (group,) = result.groups
    assert (group.category, str(group.base), str(group.tax)) == (
        Category("AE", Decimal(0)),
        "150.00",
        "0.00",
    )
    assert group.reason_code == "VATEX-EU-AE"
    assert group.text.startswith("Reverse charge")


def test_a_class_without_a_rate_is_named() -> None:
    with pytest.raises(Undecided, match="no tax rate of class 'books' for DE"):
        taxed([("1.00", "books")])


# Peers' case of a coupon over four fees: shares of 500, 250, 150 and 100 cents.
def test_a_discount_lowers_the_base_of_each_rate() -> None:
    percents = {"ten": "10", "none": "0", "twenty": "20"}
    result = apply(
        TAXED,
        [
            (Decimal("95.00"), "ten"),
            (Decimal("47.50"), "none"),
            (Decimal("28.50"), "twenty"),
            (Decimal("19.00"), "twenty"),
        ],
        rate_of=lambda country, region, name: TaxRateInForce("r", Decimal(percents[name]), "VAT"),
        currency="EUR",
        prices_include_tax=False,
    )
    assert (str(result.net), str(result.tax), str(result.gross)) == ("190.00", "19.00", "209.00")
