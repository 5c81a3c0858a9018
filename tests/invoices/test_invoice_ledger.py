"""Proving closed periods, invoices, items and numbers against each other."""

import datetime as dt
from decimal import Decimal

import pytest
from django.db.models import F

from billing.models import PeriodCounter
from invoices.models import Invoice, InvoiceItem, InvoiceSequence
from invoices.services.closing import finalize_due_periods
from invoices.services.ledger import close_differences
from tests.kit.kept import fresh, made_once
from tests.kit.personas import make_workspace
from tests.kit.usage import make_usage
from usage.models import UsageRollup

pytestmark = pytest.mark.django_db
OCTOBER_5 = dt.datetime(2026, 10, 5, 12, tzinfo=dt.UTC)
NOVEMBER_3 = dt.datetime(2026, 11, 3, 12, tzinfo=dt.UTC)


@made_once
def made():
    """October billed: 49.00 and 12.336, which makes 61.34."""
    where = make_workspace("Acme")
    make_usage(where, OCTOBER_5, "1028", "0.01")
    globex = make_workspace("Globex", currency="JPY")
    make_usage(globex, OCTOBER_5, "100", "1.004")
    finalize_due_periods(now=NOVEMBER_3)
    return where


@pytest.fixture(autouse=True)
def acme(made):
    return fresh(made)


def described() -> list[str]:
    """All but what it makes of the invoice's lines."""
    return [
        f"{each.what}: {each.detail}"
        for each in close_differences()
        if each.what != "period and items"
    ]


def test_what_a_close_writes_agrees():
    assert close_differences() == []


def test_a_total_that_its_rollups_do_not_add_up_to_is_found(acme):
    UsageRollup.objects.filter(workspace=acme).update(final_cost=13)

    assert described() == [
        "period and rollups: closed with a subtotal of 12.3360000000,"
        " its rollups add up to 13.0000000000"
    ]


def test_a_closed_period_that_lets_records_in_is_found(acme):
    PeriodCounter.objects.filter(period__workspace=acme, slot=3).update(is_open=True)

    assert described() == ["period and counters: closed, but a counter still lets records in"]


def test_items_that_do_not_add_up_are_found(acme):
    InvoiceItem.objects.filter(resource_type="call_minutes", amount__lt=50).update(
        amount="12.33", net="12.33"
    )

    line, tax = described()
    assert tax.startswith("invoice and tax: INV-2026-00000")
    assert tax.endswith(
        "asks for 61.340 and 0.000 of tax, its items come to 61.330, its taxes to 0 on 0"
    )
    assert line.startswith("invoice and items: INV-2026-00000")
    assert line.endswith(
        "asks for 61.340 (exactly 61.3360000000), its items for 61.330"
        " (exactly 61.3360000000), the period comes to 61.3360000000"
    )


@pytest.mark.parametrize("amount", ["61.33", "61.35"])
def test_a_total_rounded_the_wrong_way_is_found(acme, amount):
    item = InvoiceItem.objects.get(invoice__workspace=acme, kind="usage")
    item.amount += Decimal(amount) - Decimal("61.34")
    item.net = item.amount
    item.save()
    Invoice.objects.filter(workspace=acme).update(amount=amount, net=amount)

    (line,) = described()
    assert f"asks for {amount}0 (exactly 61.3360000000)" in line


def test_a_closed_period_that_was_never_billed_is_found(acme):
    Invoice.objects.filter(workspace=acme).delete()
    InvoiceSequence.objects.update(last_number=F("last_number") - 1)

    assert described() == [
        "period and invoice: closed with 61.3360000000 USD to pay, and there is no invoice"
    ]


def test_a_gap_in_the_numbers_is_found():
    InvoiceSequence.objects.update(last_number=3)

    assert described() == ["invoice numbers: INV-2026 has given out 3 numbers for 2 invoices"]


def test_one_workspace_can_be_looked_at_alone(acme):
    PeriodCounter.objects.exclude(period__workspace=acme).update(is_open=True)

    assert close_differences(workspace_id=acme.pk) == []
    assert len(close_differences()) == 1
