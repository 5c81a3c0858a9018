"""Taking records back by reversing records."""

import datetime as dt
from decimal import Decimal

import pytest

from billing.errors import NotFound
from billing.models import BillingPeriod
from invoices.models import Invoice
from invoices.services.closing import finalize_period
from tests.kit.personas import NOW, make_workspace
from usage.models import UsageRecord
from usage.services.ingest import check_entries, record_usage
from usage.services.ingest.parsing import usage_parser
from usage.services.ledger import usage_differences
from usage.services.voiding import CannotVoidRecord, void_record

pytestmark = pytest.mark.django_db


def recorded(owner, at: str, quantity: str = "10", key: str = "") -> UsageRecord:
    line = (
        f'{{"idempotency_key":"{key or at}","workspace_id":"{owner.pk}",'
        f'"resource_type":"call_minutes","provider":"twilio","quantity":"{quantity}","unit_cost":"0.05","occurred_at":"{at}"}}'
    )
    records, errors = check_entries([usage_parser.single(line.encode())], now=NOW)
    assert not errors
    assert record_usage(records, now=NOW).accepted == 1
    return UsageRecord.objects.get(workspace_id=owner.pk, pk=records[0].id)


def taken_back(original: UsageRecord, reason: str) -> tuple[UsageRecord, bool]:
    return void_record(
        workspace_id=original.workspace_id, record_id=original.pk, reason=reason, now=NOW
    )


def test_a_reversal_takes_back_exactly_what_was_charged():
    original = recorded(make_workspace("Acme"), "2026-11-20T10:00:00Z")

    reversal, created = taken_back(original, "test call")

    assert created
    assert (reversal.quantity, reversal.final_cost) == (Decimal(-10), Decimal("-0.6"))
    assert (reversal.reverses_id, reversal.reason) == (original.pk, "test call")
    assert reversal.billing_period_id == original.billing_period_id
    assert usage_differences() == []


def test_voiding_twice_answers_the_first_reversal():
    original = recorded(make_workspace("Acme"), "2026-11-20T10:00:00Z")
    first, _ = taken_back(original, "test call")

    again, created = taken_back(original, "again")

    assert (again.pk, again.reason, created) == (first.pk, "test call", False)
    assert UsageRecord.objects.count() == 2


def test_a_reversal_cannot_be_reversed():
    original = recorded(make_workspace("Acme"), "2026-11-20T10:00:00Z")
    reversal, _ = taken_back(original, "test call")

    with pytest.raises(CannotVoidRecord):
        taken_back(reversal, "no")


def test_a_record_of_a_closed_month_is_taken_back_in_the_open_one():
    original = recorded(make_workspace("Acme"), "2026-10-20T10:00:00Z")
    finalize_period(period_id=original.billing_period_id, now=NOW)

    reversal, _ = taken_back(original, "test call")

    assert reversal.late
    assert reversal.usage_date == dt.date(2026, 10, 20)
    november = BillingPeriod.objects.get(status="current")
    assert reversal.billing_period_id == november.pk
    # 49.00 for November less 0.60: the credit is a line of its own month.
    finalize_period(period_id=november.pk, now=NOW, force=True)
    invoice = Invoice.objects.get(billing_period=november)
    assert invoice.amount == Decimal("48.40")
    assert [item.description for item in invoice.items.all()] == [
        "Monthly Subscription",
        "Late usage, October 2026",
    ]


def test_no_workspace_can_have_the_id_of_anothers_reversal_for_a_record():
    # Whoever makes a workspace chooses its id and its keys: here, those that a reversal's id would
    # be made of if it were made like a record's.
    acme = make_workspace("Acme")
    original = recorded(acme, "2026-11-20T10:00:00Z")
    squatter = make_workspace("Squatter", workspace_id=original.pk)
    squatted = recorded(squatter, "2026-11-20T10:00:00Z", key="void")

    reversal, created = taken_back(original, "test call")

    assert created
    assert reversal.workspace_id == acme.pk
    assert reversal.pk != squatted.pk
    assert reversal.pk.version == 8
    assert squatted.pk.version == 5
    assert usage_differences() == []


def test_another_workspaces_record_is_unknown():
    original = recorded(make_workspace("Acme"), "2026-11-20T10:00:00Z")
    globex = make_workspace("Globex")

    with pytest.raises(NotFound):
        void_record(workspace_id=globex.pk, record_id=original.pk, reason="mine", now=NOW)
