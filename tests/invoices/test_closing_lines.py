"""What an invoice says, and how its cents are shared out so that its lines add up to its total."""

import datetime as dt
from decimal import Decimal

import pytest

from billing.rating.charges import Charge, ChargeKind
from invoices.models import Invoice
from invoices.services.closing import finalize_due_periods
from invoices.services.closing.lines import UsageSum, amounts_minor, average_price, build_lines
from invoices.services.ledger import close_differences
from tests.kit.personas import make_workspace
from tests.kit.usage import make_usage

AUGUST, SEPTEMBER = dt.date(2026, 8, 1), dt.date(2026, 9, 1)
NONE = Decimal(0)


def usage(resource_type, final_cost, quantity="1", month=None):
    return UsageSum(resource_type, month, 1, Decimal(quantity), Decimal(final_cost))


def test_lines_come_as_fees_usage_late_usage_discounts_shortfall_credit():
    lines = build_lines(
        charges=[
            Charge(ChargeKind.DISCOUNT, "10 % off fees", Decimal("-5.4")),
            Charge(ChargeKind.SUBSCRIPTION, "Monthly Subscription", Decimal("49.00")),
            Charge(ChargeKind.ADD_ON, "Phone numbers", Decimal("5.00"), Decimal(5)),
            Charge(ChargeKind.COMMITMENT, "Minimum commitment", Decimal("7")),
        ],
        usage=[
            usage("storage", "0.5"),
            usage("fax_pages", "0.25"),
            usage("call_minutes", "2", month=SEPTEMBER),
            usage("transcription", "4"),
            usage("synthesis", "1", month=AUGUST),
            usage("call_minutes", "12.336", "1028"),
            usage("synthesis", "3", month=SEPTEMBER),
        ],
        credit=Decimal("-10"),
        given_back={},
    )

    assert [(line.description, str(line.exact_amount)) for line in lines] == [
        ("Monthly Subscription", "49.00"),
        ("Phone numbers", "5.00"),
        ("Call Minutes", "12.336"),
        ("Transcription", "4"),
        ("Recording Storage", "0.5"),
        ("Fax Pages", "0.25"),
        ("Late usage, August 2026", "1"),
        ("Late usage, September 2026", "5"),
        ("10 % off fees", "-5.4"),
        ("Minimum commitment", "7"),
        ("Credit brought forward", "-10"),
    ]
    assert (str(lines[1].quantity), str(lines[1].unit_price)) == ("5", "1.0000000000")
    assert (str(lines[2].quantity), str(lines[2].unit_price)) == ("1028", "0.0120000000")
    assert (str(lines[7].quantity), lines[7].usage_month) == ("1", SEPTEMBER)


def test_nothing_gives_no_lines():
    assert (
        build_lines(charges=[], usage=[usage("call_minutes", "0", "0")], credit=NONE, given_back={})
        == []
    )


def test_free_usage_is_listed():
    (line,) = build_lines(
        charges=[], usage=[usage("call_minutes", "0", "7")], credit=NONE, given_back={}
    )

    assert (line.description, str(line.quantity), line.exact_amount) == ("Call Minutes", "7", 0)


@pytest.mark.parametrize(
    ("currency", "exact", "minor"),
    [
        # 64.6738 is 64.67: the cent that the floors lack goes to the largest fraction, 0.6.
        ("USD", ["49", "12.336", "3.3333", "0.0045"], [4900, 1234, 333, 0]),
        # 0.015 is 0.02: on a tie the earlier lines.
        ("EUR", ["0.005", "0.005", "0.005"], [1, 1, 0]),
        # Yen have no decimals: 7061.2 is 7061.
        ("JPY", ["7000", "10.4", "20.4", "30.4"], [7000, 11, 20, 30]),
        # Dinars of Kuwait have three, of which cards take two: 15.012 is 15.010.
        ("KWD", ["15", "0.004", "0.004", "0.004"], [15000, 10, 0, 0]),
        # Nor have crowns of Iceland: 6505.49 is 6505.
        ("ISK", ["6000", "505.2", "0.29"], [6000, 505, 0]),
        # Half a cent goes up: 38.995 is 39.00.
        ("GBP", ["49", "-10.005"], [4900, -1000]),
        # A thousand lines of 0.0004: 0.40 altogether, and nobody is off by a cent or more.
        ("USD", ["0.0004"] * 1000, [1] * 40 + [0] * 960),
    ],
)
def test_minor_units_are_shared_by_largest_remainder(currency, exact, minor):
    sums = [usage(f"kind_{place:04}", each) for place, each in enumerate(exact)]
    lines = build_lines(charges=[], usage=sums, credit=NONE, given_back={})

    assert amounts_minor(lines, currency) == minor


@pytest.mark.parametrize(
    ("amount", "quantity", "price"),
    [
        ("10", "3", "3.3333333333"),
        ("0.00000000005", "1", "0E-10"),
        ("1", "0", "0"),
        ("99999999999999999999999999.0000000001", "1", "99999999999999999999999999.0000000001"),
    ],
)
def test_the_average_price_has_ten_decimals(amount, quantity, price):
    assert str(average_price(Decimal(amount), Decimal(quantity))) == price


@pytest.mark.django_db
def test_the_year_in_a_number_is_that_of_the_issue_date_as_printed():
    """At 18:00 UTC on New Year's Eve it is next year in Auckland, and not yet in Honolulu."""
    october = dt.datetime(2026, 10, 5, 12, tzinfo=dt.UTC)
    for name, timezone in (("Acme", "Pacific/Auckland"), ("Globex", "Pacific/Honolulu")):
        make_usage(make_workspace(name, timezone=timezone), october, "1", "10")
    finalize_due_periods(now=dt.datetime(2026, 12, 31, 18, tzinfo=dt.UTC))

    invoices = Invoice.objects.select_related("workspace").order_by("number")
    assert [(invoice.workspace.name, invoice.number) for invoice in invoices] == [
        ("Globex", "INV-2026-000001"),
        ("Globex", "INV-2026-000002"),
        ("Acme", "INV-2027-000001"),
        ("Acme", "INV-2027-000002"),
    ]
    assert {invoice.issued_on.year for invoice in invoices} == {2026, 2027}
    assert close_differences() == []
