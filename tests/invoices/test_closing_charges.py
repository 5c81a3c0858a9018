"""Months that close with more than a fee: days, years, add-ons, discounts, commitments.

Each is the same while it runs, as it closes and afterwards.
"""

import datetime as dt
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from billing.models import BillingPeriod, Coupon, PeriodCharge, SubscriptionTier, TierPrice
from billing.queries import with_totals
from billing.services import terms
from billing.services.coupons import create_coupon
from billing.services.periods import open_missing_periods, open_period
from billing.services.workspaces import change_tier_from_next_period, update_workspace
from invoices.models import Invoice
from invoices.services.closing import finalize_due_periods, finalize_period
from invoices.services.ledger import close_differences
from tests.kit.by_force import by_force
from tests.kit.personas import make_period, make_workspace
from tests.kit.usage import make_usage

pytestmark = pytest.mark.django_db
D = Decimal


def at(month: int, day: int, year: int = 2026) -> dt.datetime:
    return dt.datetime(year, month, day, 12, tzinfo=dt.UTC)


@pytest.fixture(autouse=True)
def tiers() -> None:
    SubscriptionTier.objects.filter(name__in=["starter", "pro"]).update(proration="daily")


def yearly_tier() -> SubscriptionTier:
    tier = SubscriptionTier.objects.create(name="pro_yearly", interval="year")
    TierPrice.objects.create(tier=tier, currency="USD", fee="1990")
    return tier


def lines(invoice: Invoice) -> list[tuple[str, str]]:
    return [(item.description, f"{item.amount:.2f}") for item in invoice.items.all()]


def live_total(period: BillingPeriod) -> Decimal:
    return with_totals(BillingPeriod.objects.filter(pk=period.pk)).get().live_total


def close(period: BillingPeriod) -> Invoice:
    """Closed as it was shown a moment before, and proved."""
    shown = live_total(period)
    finalize_period(period_id=period.pk, now=period.period_end)
    assert live_total(period) == shown
    period.refresh_from_db()
    assert period.total_amount == shown
    assert close_differences() == []
    return Invoice.objects.get(billing_period=period)


def test_a_tier_that_changes_on_the_16th_is_two_lines():
    acme = make_workspace("Acme")
    november = make_period(acme, at(11, 1))
    make_usage(acme, at(11, 3), "10", "1")
    update_workspace(workspace_id=acme.pk, changes={"tier": "pro"}, now=at(11, 16))

    invoice = close(november)

    assert lines(invoice) == [
        ("Starter, 1-15 November, 15 of 30 days", "24.50"),
        ("Pro, 16-30 November, 15 of 30 days", "99.50"),
        ("Call Minutes", "12.00"),
    ]
    november.refresh_from_db()
    assert (november.subscription_fee, november.total_amount) == (124, 136)


def test_a_workspace_that_begins_on_the_21st_pays_ten_days():
    acme = make_workspace("Acme", now=at(11, 21))
    assert lines(close(make_period(acme, at(11, 21)))) == [
        ("Starter, 21-30 November, 10 of 30 days", "16.33")
    ]


def test_without_proration_a_month_is_charged_as_ever():
    SubscriptionTier.objects.update(proration="none")
    acme = make_workspace("Acme", now=at(11, 21))
    november = make_period(acme, at(11, 21))
    update_workspace(workspace_id=acme.pk, changes={"tier": "pro"}, now=at(11, 25))
    assert lines(close(november)) == [("Monthly Subscription", "199.00")]


def test_changing_to_and_fro_on_one_day_is_no_change():
    acme = make_workspace("Acme")
    november = make_period(acme, at(11, 1))
    for tier in ("pro", "free", "starter"):
        update_workspace(workspace_id=acme.pk, changes={"tier": tier}, now=at(11, 16))
    assert lines(close(november)) == [("Monthly Subscription", "49.00")]


def test_a_subscription_that_ended_is_billed_to_the_end_of_the_month():
    acme = make_workspace("Acme")
    november = make_period(acme, at(11, 1))
    change_tier_from_next_period(workspace_id=acme.pk, tier="free", now=at(11, 16))

    assert lines(close(november)) == [("Monthly Subscription", "49.00")]
    december = BillingPeriod.objects.get(period_start=november.period_end)
    assert live_total(december) == 0


def test_a_subscription_that_ended_and_was_taken_up_again_goes_on():
    acme = make_workspace("Acme")
    november = make_period(acme, at(11, 1))
    change_tier_from_next_period(workspace_id=acme.pk, tier="free", now=at(11, 16))
    update_workspace(workspace_id=acme.pk, changes={"tier": "starter"}, now=at(11, 20))

    close(november)
    december = BillingPeriod.objects.get(period_start=november.period_end)
    assert lines(close(december)) == [("Monthly Subscription", "49.00")]


def test_a_year_is_billed_when_it_begins_and_again_a_year_later():
    yearly_tier()
    acme = make_workspace("Acme", tier="pro_yearly", now=at(11, 3))
    open_period(workspace_id=acme.pk, at=at(11, 3), now=at(11, 3))

    finalize_due_periods(now=at(1, 3, 2028))
    for _ in range(14):
        finalize_due_periods(now=at(1, 3, 2028))

    billed = [(i.billing_period.label, lines(i)) for i in Invoice.objects.order_by("number")]
    assert billed == [
        (
            "November 2026",
            [("Yearly Subscription, 3 November 2026 - 2 November 2027", "1990.00")],
        ),
        (
            "November 2027",
            [("Yearly Subscription, 3 November 2027 - 2 November 2028", "1990.00")],
        ),
    ]
    assert close_differences() == []


def test_a_year_that_began_in_a_month_without_a_period_begins_with_the_first():
    """Made ten minutes before midnight, and found by the schedule after it."""
    yearly_tier()
    late = dt.datetime(2026, 11, 30, 22, 50, tzinfo=dt.UTC)
    make_workspace("Acme", tier="pro_yearly", now=late)
    open_missing_periods(now=late + dt.timedelta(minutes=20))

    december = BillingPeriod.objects.get()
    assert lines(close(december)) == [
        ("Yearly Subscription, 1 December 2026 - 30 November 2027", "1990.00")
    ]


def test_a_year_chosen_after_an_early_close_is_billed_with_the_next_month():
    yearly_tier()
    acme = make_workspace("Acme")
    november = make_period(acme, at(11, 1))
    finalize_period(period_id=november.pk, now=at(11, 15), force=True)
    update_workspace(workspace_id=acme.pk, changes={"tier": "pro_yearly"}, now=at(11, 20))

    december = BillingPeriod.objects.get(period_start=november.period_end)
    assert lines(close(december)) == [
        ("Yearly Subscription, 1 December 2026 - 30 November 2027", "1990.00")
    ]


def test_everything_at_once_is_a_line_each_and_adds_up():
    acme = make_workspace("Acme")
    november = make_period(acme, at(11, 1))
    make_usage(acme, at(11, 3), "100", "1")
    facts = {"workspace_id": acme.pk, "name": "Phone numbers", "unit_price": D("1.50")}
    first = terms.add_add_on(**facts, quantity=D(3), proration="daily", now=at(11, 1))
    terms.end_add_on(add_on_id=first.pk, ends_on=dt.date(2026, 11, 16), now=at(11, 10))
    terms.add_add_on(**facts, quantity=D(5), proration="daily", now=at(11, 16))
    terms.add_discount(
        workspace_id=acme.pk,
        name="Launch offer",
        percentage=D("25"),
        applies_to="usage",
        periods=2,
        now=at(11, 10),
    )
    create_coupon(code="welcome", name="Welcome", amount=D(10), currency="USD", now=at(11, 1))
    terms.redeem_coupon(workspace_id=acme.pk, code="WELCOME", now=at(11, 20))
    terms.add_commitment(workspace_id=acme.pk, amount=D(200), now=at(11, 22))

    # Usage 120 - 30 = 90, of 200 committed: 110 are missing. The coupon takes 10 off the fees.
    assert lines(close(november)) == [
        ("Monthly Subscription", "49.00"),
        ("Phone numbers, 1-15 November, 15 of 30 days", "2.25"),
        ("Phone numbers, 16-30 November, 15 of 30 days", "3.75"),
        ("Call Minutes", "120.00"),
        ("Launch offer, 25% off usage", "-30.00"),
        ("Welcome, off usage and fees", "-10.00"),
        ("Minimum commitment of 200 USD on usage, not used", "110.00"),
    ]
    november.refresh_from_db()
    assert (
        november.subtotal,
        november.subscription_fee,
        november.add_on_fees,
        november.discounts,
        november.commitment_shortfall,
        november.total_amount,
    ) == (120, 49, 6, -40, 110, 245)


def test_a_discount_for_two_months_ends_after_two():
    acme = make_workspace("Acme")
    november = make_period(acme, at(11, 1))
    terms.add_discount(
        workspace_id=acme.pk,
        name="Launch offer",
        amount=D(9),
        applies_to="fees",
        periods=2,
        now=at(11, 30),
    )
    totals = []
    period = november
    for _ in range(3):
        totals.append(close(period).amount)
        period = BillingPeriod.objects.get(period_start=period.period_end)
    assert totals == [40, 40, 49]


def test_a_month_that_is_free_of_charge_has_no_invoice_and_is_proved():
    acme = make_workspace("Acme")
    november = make_period(acme, at(11, 1))
    terms.add_discount(workspace_id=acme.pk, name="On us", percentage=D(100), now=at(11, 1))
    finalize_period(period_id=november.pk, now=november.period_end)
    assert not Invoice.objects.exists()
    assert PeriodCharge.objects.count() == 2
    assert close_differences() == []


def test_what_was_frozen_cannot_be_changed_and_a_false_line_is_found():
    acme = make_workspace("Acme")
    november = make_period(acme, at(11, 1))
    close(november)
    with pytest.raises(IntegrityError, match="never changes"), transaction.atomic():
        PeriodCharge.objects.update(amount=1)

    by_force("UPDATE billing_periodcharge SET amount = 48")
    assert [(found.what, found.detail) for found in close_differences()] == [
        (
            "charge and its terms",
            "Monthly Subscription: charged 48.0000000000, its own terms make it 49.0000000000",
        ),
        (
            "period and charges",
            "closed with 49.0000000000 of fees and discounts, their lines add up to 48.0000000000",
        ),
        (
            "period and items",
            "INV-2026-000001, line 1 (subscription): unit_price is 49.0000000000,"
            " the period's sums make it 48.0000000000",
        ),
    ]


def test_a_price_that_changes_later_leaves_what_was_closed():
    acme = make_workspace("Acme")
    november = make_period(acme, at(11, 1))
    close(november)
    TierPrice.objects.update(fee=99)
    assert live_total(november) == 49
    assert close_differences() == []


def test_the_database_refuses_what_the_services_do():
    acme = make_workspace("Acme")
    make_period(acme, at(11, 1))
    november, december = dt.date(2026, 11, 1), dt.date(2026, 12, 1)
    commitment = terms.add_commitment(workspace_id=acme.pk, amount=D(200), now=at(11, 1))
    coupon = create_coupon(
        code="ONE", name="One", percentage=D(5), max_redemptions=1, now=at(11, 1)
    )

    def refused(do, match: str) -> None:
        with pytest.raises(IntegrityError, match=match), transaction.atomic():
            do()

    refused(
        lambda: acme.commitments.create(amount=5, starts_on=december),
        "one_commitment_per_workspace_and_day",
    )
    refused(
        lambda: acme.commitments.create(amount=5, starts_on=dt.date(2026, 11, 2)),
        "commitment_is_of_whole_months",
    )
    refused(lambda: type(commitment).objects.update(amount=1), "only the end")
    refused(
        lambda: acme.discounts.create(name="Twice", percentage=101, starts_on=november),
        "discount_is_a_percentage_or_an_amount",
    )
    refused(
        lambda: acme.discounts.create(name="Both", percentage=1, amount=1, starts_on=november),
        "discount_is_a_percentage_or_an_amount",
    )
    refused(
        lambda: acme.add_ons.create(name="Numbers", quantity=0, unit_price=1, starts_on=november),
        "add_on_has_a_quantity_and_a_price",
    )
    refused(lambda: Coupon.objects.update(percentage=50), "only the limits")
    refused(
        lambda: Coupon.objects.filter(pk=coupon.pk).update(redemptions=2),
        "coupon_is_redeemed_so_often_at_most",
    )
    refused(
        lambda: SubscriptionTier.objects.filter(name="starter").update(interval="year"), "inter"
    )
