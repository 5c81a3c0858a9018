"""How people read amounts: with their unit, in the currency's own decimals."""

from decimal import Decimal

import pytest
from django.template import Context, Template

from billing import formats
from billing.addresses import city_line
from billing.languages import in_language


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        ("1234.5", "USD", "$1,234.50"),
        ("0.005", "EUR", "€0.01"),
        ("0.0049999999", "EUR", "€0.00"),
        ("7000.4", "JPY", "¥7,000"),
        ("1.2345", "KWD", "KWD\N{NO-BREAK SPACE}1.235"),
        ("-12.3", "GBP", "−£12.30"),
        ("-0.001", "USD", "$0.00"),
    ],
)
def test_money_has_the_decimals_of_its_currency(amount: str, currency: str, text: str) -> None:
    assert formats.money(Decimal(amount), currency) == text


def test_money_that_is_not_known_is_a_dash() -> None:
    assert formats.money(None, "USD") == "–"


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        ("0.0487500000", "USD", "$0.04875"),
        ("9.1000000000", "USD", "$9.10"),
        ("1200", "JPY", "¥1,200"),
        ("0.0000000001", "EUR", "€0.0000000001"),
        ("-0.0406250000", "USD", "−$0.040625"),
    ],
)
def test_exact_money_shows_every_decimal_that_counts(amount: str, currency: str, text: str) -> None:
    assert formats.exact_money(Decimal(amount), currency) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [("1812.500000", "1,812.5"), ("3.000000", "3"), ("0E-6", "0"), ("-2.25", "−2.25")],
)
def test_quantities_have_no_trailing_zeros(value: str, text: str) -> None:
    assert formats.quantity(Decimal(value)) == text


def test_shares_are_percentages_rounded_half_up() -> None:
    assert formats.percent(Decimal("0.94165")) == "94.2%"
    assert formats.percent(Decimal("-0.125"), 0) == "−13%"
    assert formats.percent(None) == "–"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [("0", "0 s"), ("59.4", "59 s"), ("59.5", "1 min 0 s"), ("202", "3 min 22 s"),
     ("291840", "81 h 4 min")],
)  # fmt: skip
def test_durations_read_as_people_say_them(seconds: str, text: str) -> None:
    assert formats.duration(Decimal(seconds)).replace("\N{NO-BREAK SPACE}", " ") == text


@pytest.mark.parametrize(
    ("country", "line"),
    [("US", "Austin, TX 78701"), ("AU", "Austin TX 78701"), ("DE", "78701 Austin TX")],
)
def test_a_city_stands_as_its_country_writes_it(country: str, line: str) -> None:
    of = {"postal_code": "78701", "city": "Austin", "state": "TX"}
    assert city_line(country=country, **of) == line
    assert city_line(country=country, postal_code="", city="", state="") == ""


def test_texts_of_a_template_are_those_of_each_page_s_language():
    template = Template(
        '{% load i18n %}{% translate "Usage" as usage %}{% translate "Total" %}, {{ usage }}'
        '{% translate "100%" %}'
    )
    seen = []
    for language in ("en", "de", "fr", "de", "en"):
        with in_language(language):
            seen.append(template.render(Context()))
    assert seen[0] == seen[4] == "Total, Usage100%"
    assert seen[1] == seen[3] == "Gesamt, Nutzung100%"
    assert seen[2].startswith("Total, ")
