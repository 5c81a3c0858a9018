"""Taking records back by reversing records."""

import datetime as dt
from decimal import Decimal

import pytest

from billing.models import BillingPeriod
from invoices.services.closing import finalize_period
from tests.kit.personas import NOW, make_workspace
from usage.models import UsageRecord
from usage.services.ingest import check_entries, record_usage
from usage.services.ingest.parsing import usage_parser
from usage.services.ledger import usage_differences
from usage.services.voiding import CannotVoid, void_record

pytestmark = pytest.mark.django_db


def recorded(owner, at: str, quantity: str = "10") -> UsageRecord:
    line = (
        f'{{"idempotency_key":"{at}","workspace_id":"{owner.pk}","resource_type":"call_minutes",'
        f'"provider":"twilio","quantity":"{quantity}","unit_cost":"0.05","occurred_at":"{at}"}}'
    )
    records, errors = check_entries([usage_parser.single(line.encode())], now=NOW)
    assert not errors
    assert record_usage(records, now=NOW).accepted == 1
    return UsageRecord.objects.get(pk=records[0].id)


def test_a_reversal_takes_back_exactly_what_was_charged():
    original = recorded(make_workspace("Acme"), "2026-11-20T10:00:00Z")

    reversal, created = void_record(record_id=original.pk, reason="test call", now=NOW)

    assert created
    assert (reversal.quantity, reversal.final_cost) == (Decimal(-10), Decimal("-0.6"))
    assert (reversal.reverses_id, reversal.reason) == (original.pk, "test call")
    assert reversal.billing_period_id == original.billing_period_id
    assert usage_differences() == []


def test_voiding_twice_answers_the_first_reversal():
    original = recorded(make_workspace("Acme"), "2026-11-20T10:00:00Z")
    first, _ = void_record(record_id=original.pk, reason="test call", now=NOW)

    again, created = void_record(record_id=original.pk, reason="again", now=NOW)

    assert (again.pk, again.reason, created) == (first.pk, "test call", False)
    assert UsageRecord.objects.count() == 2


def test_a_reversal_cannot_be_reversed():
    original = recorded(make_workspace("Acme"), "2026-11-20T10:00:00Z")
    reversal, _ = void_record(record_id=original.pk, reason="test call", now=NOW)

    with pytest.raises(CannotVoid):
        void_record(record_id=reversal.pk, reason="no", now=NOW)


def test_a_record_of_a_closed_month_is_taken_back_in_the_open_one():
    original = recorded(make_workspace("Acme"), "2026-10-20T10:00:00Z")
    finalize_period(period_id=original.billing_period_id, now=NOW)

    reversal, _ = void_record(record_id=original.pk, reason="test call", now=NOW)

    assert reversal.late
    assert reversal.usage_date == dt.date(2026, 10, 20)
    november = BillingPeriod.objects.get(status="current")
    assert reversal.billing_period_id == november.pk
    # 49.00 for November less 0.60: the credit is a line of its own month.
    invoice = finalize_period(period_id=november.pk, now=NOW, force=True).invoice
    assert invoice.amount == Decimal("48.40")
    assert [item.description for item in invoice.items.all()] == [
        "Monthly Subscription",
        "Late usage, October 2026",
    ]
