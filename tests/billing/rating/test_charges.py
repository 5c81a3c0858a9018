"""What a period is charged besides its usage: fees, discounts, commitments, in worked amounts."""

import datetime as dt
from decimal import Decimal

import pytest

from billing.money import from_minor, to_minor
from billing.rating.bills import charged, period_charges
from billing.rating.charges import (
    AddOnTerms,
    ChargeKind,
    ChargeScope,
    CommitmentTerms,
    DiscountTerms,
    PeriodTerms,
    TierSince,
    TierTerms,
)
from billing.rating.commitments import shortfall
from billing.rating.discounts import take_off
from billing.rating.fees import NoPrice, add_on_fees, subscription_fees
from billing.rating.proration import Span

D = Decimal
NOVEMBER = Span(dt.date(2026, 11, 1), dt.date(2026, 12, 1))
MARCH = dt.date(2026, 3, 7)


def tier(name: str, fee: str, *, daily: bool = False, yearly: bool = False) -> TierTerms:
    return TierTerms(name, name, D(fee), daily=daily, yearly=yearly)


def since(day: int | dt.date, of: TierTerms) -> TierSince:
    return TierSince(day if isinstance(day, dt.date) else dt.date(2026, 11, day), of)


def shown(charges) -> list[tuple[str, str]]:
    return [(charge.description, f"{charge.amount.normalize():f}") for charge in charges]


STARTER, PRO = tier("starter", "49.00"), tier("pro", "199.00")
DAILY_STARTER = tier("starter", "49.00", daily=True)
DAILY_PRO = tier("pro", "199.00", daily=True)


@pytest.mark.parametrize(
    ("tiers", "expected"),
    [
        ([since(MARCH, STARTER)], [("Monthly Subscription", "49")]),
        # The tier at the month's end is charged whole, what was before it is not.
        ([since(MARCH, STARTER), since(16, PRO)], [("Monthly Subscription", "199")]),
        ([since(16, PRO)], [("Monthly Subscription", "199")]),
        (
            [since(MARCH, DAILY_STARTER), since(16, DAILY_PRO)],
            [
                ("Starter, 1-15 November, 15 of 30 days", "24.5"),
                ("Pro, 16-30 November, 15 of 30 days", "99.5"),
            ],
        ),
        ([since(21, DAILY_PRO)], [("Pro, 21-30 November, 10 of 30 days", "66.3333333333")]),
        ([since(1, DAILY_PRO)], [("Monthly Subscription", "199")]),
        ([since(30, DAILY_PRO)], [("Pro, 30 November, 1 of 30 days", "6.6333333333")]),
        # Each tier says how its own fee is charged.
        (
            [since(MARCH, DAILY_PRO), since(16, STARTER)],
            [("Pro, 1-15 November, 15 of 30 days", "99.5"), ("Monthly Subscription", "49")],
        ),
        (
            [since(MARCH, PRO), since(16, DAILY_STARTER)],
            [("Starter, 16-30 November, 15 of 30 days", "24.5")],
        ),
        (
            [since(MARCH, DAILY_PRO), since(16, tier("free", "0"))],
            [("Pro, 1-15 November, 15 of 30 days", "99.5")],
        ),
        # There and back on one day, and a tier that begins with the next month.
        (
            [since(MARCH, DAILY_PRO), since(dt.date(2026, 12, 1), DAILY_STARTER)],
            [("Monthly Subscription", "199")],
        ),
        (
            [since(MARCH, DAILY_STARTER), since(11, DAILY_PRO), since(21, DAILY_STARTER)],
            [
                ("Starter, 1-10 November, 10 of 30 days", "16.3333333333"),
                ("Pro, 11-20 November, 10 of 30 days", "66.3333333333"),
                ("Starter, 21-30 November, 10 of 30 days", "16.3333333333"),
            ],
        ),
        ([since(dt.date(2026, 12, 1), DAILY_PRO)], []),
    ],
)
def test_tiers_of_november(tiers, expected):
    assert shown(subscription_fees(NOVEMBER, tiers)) == expected


YEARLY = tier("pro_yearly", "1990.00", yearly=True)


@pytest.mark.parametrize(
    ("tiers", "expected"),
    [
        (
            [since(3, YEARLY)],
            [("Yearly Subscription, 3 November 2026 - 2 November 2027", "1990")],
        ),
        (
            [since(dt.date(2024, 11, 30), YEARLY)],
            [("Yearly Subscription, 30 November 2026 - 29 November 2027", "1990")],
        ),
        ([since(MARCH, YEARLY)], []),
        # Years are counted from the day of the change to it.
        (
            [since(dt.date(2024, 1, 1), PRO), since(dt.date(2024, 11, 3), YEARLY)],
            [("Yearly Subscription, 3 November 2026 - 2 November 2027", "1990")],
        ),
        (
            [since(MARCH, DAILY_PRO), since(16, YEARLY)],
            [
                ("Pro, 1-15 November, 15 of 30 days", "99.5"),
                ("Yearly Subscription, 16 November 2026 - 15 November 2027", "1990"),
            ],
        ),
        # Left before the month's end, it is not charged.
        ([since(3, YEARLY), since(20, PRO)], [("Monthly Subscription", "199")]),
    ],
)
def test_years_are_charged_in_the_month_in_which_they_begin(tiers, expected):
    assert shown(subscription_fees(NOVEMBER, tiers)) == expected


def test_a_year_from_the_29th_of_february_begins_on_the_28th_in_others():
    february = Span(dt.date(2027, 2, 1), dt.date(2027, 3, 1))
    (charge,) = subscription_fees(february, [since(dt.date(2024, 2, 29), YEARLY)])
    assert charge.description == "Yearly Subscription, 28 February 2027 - 28 February 2028"


def test_each_year_is_charged_once_in_ten_years():
    began, billed = dt.date(2026, 11, 30), 0
    first = began.replace(day=1)
    for _ in range(120):
        until = (first + dt.timedelta(days=32)).replace(day=1)
        billed += len(subscription_fees(Span(first, until), [since(began, YEARLY)]))
        first = until
    assert billed == 10


def test_a_tier_that_is_charged_needs_a_price():
    unpriced = TierTerms("1", "gold", None)
    with pytest.raises(NoPrice, match="gold"):
        subscription_fees(NOVEMBER, [since(MARCH, unpriced)])
    charges = subscription_fees(NOVEMBER, [since(MARCH, unpriced), since(16, PRO)])
    assert shown(charges) == [("Monthly Subscription", "199")]


def numbers(quantity: str, first: int, until: int | None = None, *, daily: bool) -> AddOnTerms:
    ends_on = None if until is None else dt.date(2026, 11, until)
    starts_on = dt.date(2026, 11, first)
    return AddOnTerms("", "Phone numbers", D(quantity), D("1.50"), starts_on, ends_on, daily)


@pytest.mark.parametrize(
    ("add_ons", "expected"),
    [
        ([numbers("5", 1, daily=False)], [("Phone numbers", "7.5")]),
        ([numbers("5", 29, daily=False)], [("Phone numbers", "7.5")]),
        # Given up in the month: the month is charged.
        ([numbers("5", 1, 16, daily=False)], [("Phone numbers", "7.5")]),
        # Three, and from the 16th on five: five.
        (
            [numbers("3", 1, 16, daily=False), numbers("5", 16, daily=False)],
            [("Phone numbers", "7.5")],
        ),
        (
            [numbers("3", 1, 16, daily=True), numbers("5", 16, daily=True)],
            [
                ("Phone numbers, 1-15 November, 15 of 30 days", "2.25"),
                ("Phone numbers, 16-30 November, 15 of 30 days", "3.75"),
            ],
        ),
        ([numbers("5", 1, 1, daily=False)], []),
        ([numbers("5", 10, 10, daily=True)], []),
    ],
)
def test_add_ons(add_ons, expected):
    assert shown(add_on_fees(NOVEMBER, add_ons)) == expected


def percent(percentage: str, applies_to: ChargeScope, name: str = "Offer") -> DiscountTerms:
    return DiscountTerms("", name, D(percentage), None, applies_to)


def off(amount: str, applies_to: ChargeScope, name: str = "Offer") -> DiscountTerms:
    return DiscountTerms("", name, None, D(amount), applies_to)


USAGE, FEES, BOTH = ChargeScope.USAGE, ChargeScope.FEES, ChargeScope.USAGE_AND_FEES


@pytest.mark.parametrize(
    ("discounts", "expected", "left"),
    [
        ([percent("10", USAGE)], [("Offer, 10% off usage", "-20")], ("180", "50")),
        ([percent("10", FEES)], [("Offer, 10% off fees", "-5")], ("200", "45")),
        ([percent("10", BOTH)], [("Offer, 10% off usage and fees", "-25")], ("180", "45")),
        ([percent("100", BOTH)], [("Offer, 100% off usage and fees", "-250")], ("0", "0")),
        ([off("60", FEES)], [("Offer, off fees", "-50")], ("200", "0")),
        # An amount off both is taken off the fees first.
        ([off("60", BOTH)], [("Offer, off usage and fees", "-60")], ("190", "0")),
        ([off("300", BOTH)], [("Offer, off usage and fees", "-250")], ("0", "0")),
        # Each takes off what those before it have left.
        (
            [percent("10", USAGE, "A"), off("30", USAGE, "B"), percent("50", USAGE, "C")],
            [("A, 10% off usage", "-20"), ("B, off usage", "-30"), ("C, 50% off usage", "-75")],
            ("75", "50"),
        ),
        ([percent("100", USAGE), off("5", USAGE)], [("Offer, 100% off usage", "-200")], None),
    ],
)
def test_discounts_on_usage_of_200_and_fees_of_50(discounts, expected, left):
    found = take_off(discounts, usage=D(200), fees=D(50))
    assert shown(found.charges) == expected
    if left:
        assert (found.usage, found.fees) == (D(left[0]), D(left[1]))


def test_nothing_is_taken_off_usage_that_gives_back():
    found = take_off([percent("10", BOTH), off("60", USAGE)], usage=D(-20), fees=D(50))
    assert shown(found.charges) == [("Offer, 10% off usage and fees", "-5")]
    assert (found.usage, found.fees) == (D(-20), D(45))


# price, percentage or amount off, currency, the discount that others' tests expect
_ELSEWHERE = [
    ("100.00", percent("15", USAGE), "USD", "15.00"),
    ("10.00", percent("33.333", USAGE), "USD", "3.33"),
    ("100.00", percent("0.5", USAGE), "USD", "0.50"),
    ("100.00", percent("99", USAGE), "USD", "99.00"),
    ("99.999", percent("10", USAGE), "USD", "10.00"),
    ("99.999", percent("10", USAGE), "GBP", "10.00"),
    ("100.00", off("10.00", USAGE), "USD", "10.00"),
    ("1000", off("150", USAGE), "JPY", "150"),
]


@pytest.mark.parametrize(("price", "discount", "currency", "expected"), _ELSEWHERE)
def test_discounts_are_what_others_expect(price, discount, currency, expected):
    (charge,) = take_off([discount], usage=D(price), fees=D(0)).charges
    assert from_minor(to_minor(-charge.amount, currency), currency) == D(expected)


@pytest.mark.parametrize(
    ("spent", "missing"),
    [("7.00", "3.00"), ("10", "0"), ("12", "0"), ("0", "10"), ("-5", "10")],
)
def test_what_is_missing_of_a_commitment_of_10(spent, missing):
    assert shortfall(D(10), D(spent)) == D(missing)


def terms(**facts) -> PeriodTerms:
    return PeriodTerms(NOVEMBER, facts.pop("has_fees", True), **facts)


def test_a_commitment_is_what_is_paid_at_least_after_discounts():
    agreed = terms(
        tiers=(since(MARCH, STARTER),),
        discounts=(percent("50", USAGE),),
        commitment=CommitmentTerms("", D(200), "USD", USAGE),
    )
    charges = period_charges(agreed, D(300))
    assert shown(charges) == [
        ("Monthly Subscription", "49"),
        ("Offer, 50% off usage", "-150"),
        ("Minimum commitment of 200 USD on usage, not used", "50"),
    ]
    covering_both = terms(
        tiers=(since(MARCH, STARTER),), commitment=CommitmentTerms("", D(200), "USD", BOTH)
    )
    assert charged(period_charges(covering_both, D(100)))[ChargeKind.COMMITMENT] == 51
    assert charged(period_charges(covering_both, D(151)))[ChargeKind.COMMITMENT] == 0


def test_a_month_before_its_workspace_has_no_fees_and_no_commitment_but_discounts():
    agreed = terms(
        has_fees=False,
        tiers=(since(MARCH, STARTER),),
        add_ons=(numbers("5", 1, daily=False),),
        discounts=(percent("10", BOTH),),
        commitment=CommitmentTerms("", D(200), "USD", USAGE),
    )
    assert shown(period_charges(agreed, D(30))) == [("Offer, 10% off usage and fees", "-3")]
