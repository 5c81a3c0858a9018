"""Closing one workspace's month: when, what it comes to, and what follows it."""

import datetime as dt
from decimal import Decimal
from uuid import UUID

import pytest

from billing.errors import NotFound
from billing.models import BillingPeriod, SubscriptionTier, TierPrice
from billing.services.workspaces import update_workspace
from invoices.models import Invoice, InvoiceItem
from invoices.services.closing import (
    PeriodNotCurrent,
    PeriodNotEnded,
    finalize_due_periods,
    finalize_period,
)
from invoices.services.ledger import close_differences
from tests.kit.personas import make_agent, make_period, make_workspace
from tests.kit.usage import make_usage
from usage.models import UsageRecord
from usage.services.voiding import void_record

pytestmark = pytest.mark.django_db
GRACE = dt.timedelta(hours=24)
SECOND = dt.timedelta(seconds=1)
OCTOBER_5 = dt.datetime(2026, 10, 5, 12, tzinfo=dt.UTC)
NOVEMBER_1 = dt.datetime(2026, 11, 1, 12, tzinfo=dt.UTC)
NOVEMBER_3 = dt.datetime(2026, 11, 3, 12, tzinfo=dt.UTC)
DECEMBER_3 = dt.datetime(2026, 12, 3, 12, tzinfo=dt.UTC)
JANUARY_3 = dt.datetime(2027, 1, 3, 12, tzinfo=dt.UTC)
FEBRUARY_3 = dt.datetime(2027, 2, 3, 12, tzinfo=dt.UTC)


def utc(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def items(invoice: Invoice) -> list[tuple[str, str]]:
    return [(item.description, f"{item.amount.normalize():f}") for item in invoice.items.all()]


def the_invoice(period: BillingPeriod) -> Invoice:
    return Invoice.objects.get(billing_period=period)


@pytest.mark.parametrize(
    ("zone", "start", "end", "next_end"),
    [
        ("UTC", "2026-01-01T00:00", "2026-02-01T00:00", "2026-03-01T00:00"),
        ("UTC", "2028-02-01T00:00", "2028-03-01T00:00", "2028-04-01T00:00"),
        ("UTC", "2026-12-01T00:00", "2027-01-01T00:00", "2027-02-01T00:00"),
        # Clocks go back on 1 November at 2:00, and forward on 8 March.
        ("America/New_York", "2026-10-01T04:00", "2026-11-01T04:00", "2026-12-01T05:00"),
        ("America/New_York", "2026-03-01T05:00", "2026-04-01T04:00", "2026-05-01T04:00"),
        ("America/New_York", "2028-02-01T05:00", "2028-03-01T05:00", "2028-04-01T04:00"),
        # Forward on 29 March, back on 25 October.
        ("Europe/Berlin", "2026-02-28T23:00", "2026-03-31T22:00", "2026-04-30T22:00"),
        ("Europe/Berlin", "2026-09-30T22:00", "2026-10-31T23:00", "2026-11-30T23:00"),
        ("Asia/Kathmandu", "2025-12-31T18:15", "2026-01-31T18:15", "2026-02-28T18:15"),
        ("Asia/Kathmandu", "2028-01-31T18:15", "2028-02-29T18:15", "2028-03-31T18:15"),
    ],
)
def test_a_month_closes_a_day_after_its_end_and_the_next_follows(zone, start, end, next_end):
    acme = make_workspace("Acme", timezone=zone)
    make_usage(acme, utc(start), "1", "10")
    make_usage(acme, utc(end) - SECOND, "1", "20")

    early = finalize_due_periods(now=utc(end) + GRACE - SECOND)
    summary = finalize_due_periods(now=utc(end) + GRACE)

    assert (early.finalized, summary.finalized, summary.invoiced) == (0, 1, 1)
    closed, following = BillingPeriod.objects.order_by("period_start")
    assert (closed.period_start, closed.period_end) == (utc(start), utc(end))
    assert (closed.status, str(closed.total_amount)) == ("finalized", "85.0000000000")
    assert (following.period_start, following.period_end) == (utc(end), utc(next_end))
    assert following.status == "current"
    assert following.counters.filter(is_open=True).count() == 8


def test_usage_around_the_turn_of_the_month_is_billed_where_it_occurred():
    acme = make_workspace("Acme", timezone="Asia/Kathmandu")
    turn = utc("2026-10-31T18:15")
    make_usage(acme, turn - SECOND, "1", "1")
    make_usage(acme, turn, "1", "2")
    # Half a day later, October's last second is still told of.
    make_usage(acme, turn - SECOND, "1", "3", now=turn + dt.timedelta(hours=12))

    finalize_due_periods(now=turn + GRACE)

    october, november = BillingPeriod.objects.order_by("period_start")
    assert str(october.subtotal) == "4.8000000000"
    finalize_period(period_id=november.pk, now=DECEMBER_3)
    november.refresh_from_db()
    assert str(november.subtotal) == "2.4000000000"


def test_the_invoice_has_a_line_for_each_type_and_adds_up_to_the_cent():
    acme = make_workspace("Acme")
    make_usage(acme, OCTOBER_5, "1028", "0.01")
    make_usage(
        acme, OCTOBER_5, "0.75", "3.7037", resource_type="transcription", provider="deepgram"
    )
    make_usage(acme, OCTOBER_5, "25", "0.00015", resource_type="synthesis", provider="elevenlabs")

    finalize_due_periods(now=NOVEMBER_3)

    # 49 + 12.336 + 3.33333 + 0.0045 = 64.67383
    invoice = Invoice.objects.get()
    assert (str(invoice.amount), str(invoice.exact_amount)) == ("64.670", "64.6738300000")
    assert str(invoice.residual) == "-0.0038300000"
    assert items(invoice) == [
        ("Monthly Subscription", "49"),
        ("Call Minutes", "12.34"),
        ("Transcription", "3.33"),
        ("Voice Synthesis", "0"),
    ]
    assert invoice.due_date == dt.date(2026, 11, 17)
    assert (invoice.status, invoice.issued_at) == ("draft", NOVEMBER_3)
    assert invoice.bill_to_email == "owner@acme.test"


@pytest.mark.parametrize(
    ("currency", "quantity", "amount", "shares"),
    [
        ("JPY", "0.5", "7001", ["7000", "1"]),
        ("EUR", "0.0042", "49.01", ["49", "0.01"]),
        ("GBP", "0.0041", "49", ["49", "0"]),
    ],
)
def test_amounts_are_whole_charge_steps_of_the_currency(currency, quantity, amount, shares):
    globex = make_workspace("Globex", currency=currency)
    make_usage(globex, OCTOBER_5, quantity, "1")

    finalize_due_periods(now=NOVEMBER_3)

    invoice = Invoice.objects.get()
    assert f"{invoice.amount.normalize():f}" == amount
    assert [share for _, share in items(invoice)] == shares


@pytest.mark.parametrize(
    ("currency", "fee", "cost", "exact", "amount", "shares"),
    [
        # Crowns of Iceland have no fraction, and cards take no single fils.
        ("ISK", "6000", "421.241", "6505.4892000000", "6505.000", ["6000", "505"]),
        ("KWD", "15", "4.98916", "20.9869920000", "20.990", ["15", "5.99"]),
        ("UGX", "90000", "0.41", "90000.4920000000", "90000.000", ["90000", "0"]),
    ],
)
def test_a_total_is_rounded_once_to_what_cards_take(currency, fee, cost, exact, amount, shares):
    tier = SubscriptionTier.objects.get(name="starter")
    TierPrice.objects.create(tier=tier, currency=currency, fee=fee)
    initech = make_workspace("Initech", currency=currency)
    make_usage(initech, OCTOBER_5, cost, "1")

    finalize_due_periods(now=NOVEMBER_3)

    invoice = Invoice.objects.get()
    assert (str(invoice.exact_amount), str(invoice.amount)) == (exact, amount)
    assert [share for _, share in items(invoice)] == shares
    assert close_differences() == []


def test_late_usage_has_its_own_line_on_the_next_invoice():
    acme = make_workspace("Acme")
    october = make_period(acme, OCTOBER_5)
    finalize_due_periods(now=NOVEMBER_3)
    make_usage(acme, OCTOBER_5, "100", "0.05", now=NOVEMBER_3)
    make_usage(acme, OCTOBER_5, "10", "0.1", resource_type="storage", now=NOVEMBER_3)
    make_usage(acme, NOVEMBER_3, "1", "2")

    finalize_due_periods(now=DECEMBER_3)

    october.refresh_from_db()
    assert str(october.subtotal) == "0E-10"
    november = BillingPeriod.objects.get(period_start=october.period_end)
    assert items(the_invoice(november)) == [
        ("Monthly Subscription", "49"),
        ("Call Minutes", "2.4"),
        ("Late usage, October 2026", "7.2"),
    ]
    assert InvoiceItem.objects.get(kind="late_usage").usage_month == dt.date(2026, 10, 1)


def test_the_fee_is_that_of_the_tier_the_period_had():
    acme = make_workspace("Acme")
    october = make_period(acme, OCTOBER_5)
    november = make_period(acme, NOVEMBER_1)
    update_workspace(workspace_id=acme.pk, changes={"tier": "pro"}, now=NOVEMBER_1)

    finalize_due_periods(now=DECEMBER_3)

    assert str(the_invoice(october).amount) == "49.000"
    assert str(the_invoice(november).amount) == "199.000"


def test_nothing_to_bill_is_closed_without_an_invoice():
    hooli = make_workspace("Hooli", tier="free")
    october = make_period(hooli, OCTOBER_5)

    summary = finalize_due_periods(now=NOVEMBER_3)

    assert (summary.finalized, summary.invoiced) == (1, 0)
    october.refresh_from_db()
    assert (october.status, october.total_amount) == ("finalized", 0)
    assert not Invoice.objects.exists()
    assert BillingPeriod.objects.filter(workspace=hooli, status="current").count() == 1


def test_a_closed_workspace_gets_its_last_invoice_and_no_further_period():
    acme = make_workspace("Acme")
    make_period(acme, OCTOBER_5)
    update_workspace(workspace_id=acme.pk, changes={"status": "closed"}, now=NOVEMBER_1)

    assert finalize_due_periods(now=NOVEMBER_3).invoiced == 1

    assert BillingPeriod.objects.count() == 1


def test_what_is_owed_back_is_carried_forward_until_it_is_used_up():
    hooli = make_workspace("Hooli", tier="free")
    make_usage(hooli, OCTOBER_5, "1", "10", key="mistake")
    finalize_due_periods(now=NOVEMBER_3)
    mistake = UsageRecord.objects.get(idempotency_key="mistake")
    void_record(
        workspace_id=mistake.workspace_id,
        record_id=mistake.pk,
        reason="never happened",
        now=NOVEMBER_3,
    )
    make_usage(hooli, DECEMBER_3, "1", "4")
    make_usage(hooli, JANUARY_3, "1", "8")

    finalize_due_periods(now=DECEMBER_3)
    finalize_due_periods(now=JANUARY_3)
    finalize_due_periods(now=FEBRUARY_3)

    periods = BillingPeriod.objects.filter(status="finalized").order_by("period_start")
    assert [
        (f"{each.credit_brought_forward:.2f}", f"{each.total_amount:.2f}") for each in periods
    ] == [("0.00", "12.00"), ("0.00", "-12.00"), ("-12.00", "-7.20"), ("-7.20", "2.40")]
    assert [f"{each.amount:.2f}" for each in Invoice.objects.order_by("number")] == [
        "12.00",
        "2.40",
    ]
    assert items(the_invoice(periods[3])) == [
        ("Call Minutes", "9.6"),
        ("Credit brought forward", "-7.2"),
    ]


def test_months_that_were_missed_are_closed_one_after_the_other_with_their_credit():
    hooli = make_workspace("Hooli", tier="free")
    make_usage(hooli, OCTOBER_5, "1", "10", key="mistake")
    finalize_due_periods(now=NOVEMBER_3)
    mistake = UsageRecord.objects.get(idempotency_key="mistake")
    void_record(
        workspace_id=mistake.workspace_id,
        record_id=mistake.pk,
        reason="never happened",
        now=NOVEMBER_3,
    )
    make_usage(hooli, DECEMBER_3, "1", "15")

    summary = finalize_due_periods(now=FEBRUARY_3)

    assert (summary.finalized, summary.invoiced) == (3, 1)
    totals = BillingPeriod.objects.order_by("period_start").values_list("total_amount", flat=True)
    assert [f"{total:.2f}" for total in totals] == ["12.00", "-12.00", "6.00", "0.00", "0.00"]


def test_a_period_that_has_not_ended_is_refused_unless_forced():
    acme = make_workspace("Acme")
    make_usage(acme, OCTOBER_5, "1", "10")
    october = make_period(acme, OCTOBER_5)

    with pytest.raises(PeriodNotEnded) as refused:
        finalize_period(period_id=october.pk, now=OCTOBER_5)
    assert (refused.value.code, refused.value.status) == ("period_not_ended", 409)

    closed = finalize_period(period_id=october.pk, now=OCTOBER_5, force=True)
    assert str(closed.total_amount) == "61.0000000000"
    # What October still brings is late.
    make_usage(acme, OCTOBER_5 + dt.timedelta(days=1), "1", "5")
    late = UsageRecord.objects.get(late=True)
    assert late.billing_period.period_start == october.period_end


def test_an_ended_period_need_not_wait_for_its_grace_when_asked_for():
    acme = make_workspace("Acme")
    october = make_period(acme, OCTOBER_5)

    closed = finalize_period(period_id=october.pk, now=october.period_end)

    assert (closed.status, closed.finalized_at) == ("finalized", october.period_end)


def test_finalizing_again_is_refused_and_bills_once():
    acme = make_workspace("Acme")
    october = make_period(acme, OCTOBER_5)
    finalize_period(period_id=october.pk, now=NOVEMBER_3)

    with pytest.raises(PeriodNotCurrent) as refused:
        finalize_period(period_id=october.pk, now=NOVEMBER_3, force=True)

    assert refused.value.code == "period_not_current"
    assert finalize_due_periods(now=NOVEMBER_3).finalized == 0
    assert Invoice.objects.count() == 1


def test_an_unknown_period_is_not_found():
    with pytest.raises(NotFound):
        finalize_period(period_id=UUID(int=1), now=NOVEMBER_3)


def test_agents_that_the_limit_paused_come_back_with_the_next_period():
    acme = make_workspace("Acme", usage_limit_monthly="10")
    paused = make_agent(acme, "Front desk")
    by_hand = make_agent(acme, "Night shift", status="paused", paused_reason="manual")
    make_usage(acme, OCTOBER_5, "1", "10")
    paused.refresh_from_db()
    assert (paused.status, paused.paused_reason) == ("paused", "usage_limit")

    finalize_due_periods(now=NOVEMBER_3)

    paused.refresh_from_db()
    by_hand.refresh_from_db()
    assert (paused.status, paused.paused_reason) == ("live", None)
    assert by_hand.status == "paused"


def test_another_workspace_is_left_alone():
    acme, globex = make_workspace("Acme"), make_workspace("Globex")
    make_usage(acme, OCTOBER_5, "1", "1")
    make_usage(globex, OCTOBER_5, "1", "2")

    summary = finalize_due_periods(now=NOVEMBER_3, workspace_id=acme.pk)

    assert (summary.finalized, Invoice.objects.get().workspace) == (1, acme)
    assert Decimal("50.20") == Invoice.objects.get().amount
