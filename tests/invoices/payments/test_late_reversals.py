"""Usage of a closed and taxed month that is taken back: a credit note, not a line of the next."""

import datetime as dt
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from django.db import IntegrityError, transaction
from pytest_django import Settings

from billing.models import Workspace
from billing.services.terms import add_discount
from billing.services.workspaces import update_billing_settings
from invoices.models import CreditedRecord, CreditNote, Invoice
from invoices.payments.services import settle
from invoices.payments.services.ledger.settlements import settlement_differences
from invoices.payments.services.settle.credit import credit_balance
from invoices.queries import proof_of
from invoices.services.closing import finalize_due_periods
from invoices.services.ledger import close_differences
from invoices.services.preview import upcoming_invoice
from tests.kit.by_force import by_force
from tests.kit.credit_notes import issue_note
from tests.kit.personas import make_period
from tests.kit.taxes import make_customer, register
from tests.kit.usage import make_usage
from usage.models import UsageRecord
from usage.services.ledger import Scope
from usage.services.voiding import void_record

pytestmark = pytest.mark.django_db
OCTOBER_5 = dt.datetime(2026, 10, 5, 12, tzinfo=dt.UTC)
NOVEMBER_3 = dt.datetime(2026, 11, 3, 12, tzinfo=dt.UTC)
NOVEMBER_9 = dt.datetime(2026, 11, 9, 12, tzinfo=dt.UTC)
DECEMBER_3 = dt.datetime(2026, 12, 3, 12, tzinfo=dt.UTC)


@pytest.fixture
def acme() -> Workspace:
    register()
    return make_customer()


def october(acme: Workspace, *costs: str, call: UUID | None = None) -> Invoice:
    """October billed and open: a use of each cost with 20 % on top, and the fee of 49.00."""
    make_period(acme, OCTOBER_5)
    for number, cost in enumerate(costs):
        make_usage(acme, OCTOBER_5, "1", cost, key=f"use-{number}", call_id=call)
    assert finalize_due_periods(now=NOVEMBER_3).failed == []
    invoice = Invoice.objects.get(workspace=acme)
    settle.mark_open(
        invoice_id=invoice.pk, stripe_invoice_id="in_1", hosted_invoice_url="", now=NOVEMBER_3
    )
    return Invoice.objects.get(workspace=acme)


def take_back(acme: Workspace, number: int = 0) -> UsageRecord:
    record = UsageRecord.objects.get(workspace=acme, idempotency_key=f"use-{number}")
    return void_record(
        workspace_id=acme.pk, record_id=record.pk, reason="never spoken", now=NOVEMBER_9
    )[0]


def november(acme: Workspace) -> Invoice:
    assert finalize_due_periods(now=DECEMBER_3).failed == []
    return Invoice.objects.get(workspace=acme, issued_at=DECEMBER_3)


def differences() -> list[str]:
    found = [*close_differences(), *settlement_differences(Scope())]
    return [str(each) for each in found]


def test_a_credit_note_for_its_invoice_takes_the_place_of_a_negative_line(acme: Workspace) -> None:
    call = uuid4()
    billed = october(acme, "10.28", "5.00", call=call)
    # 49.00 + 12.336 + 6.00 = 67.34 and 19 % of it, 12.79.
    assert (billed.net, billed.tax) == (Decimal("67.34"), Decimal("12.79"))
    reversal = take_back(acme)
    invoice = november(acme)

    note = CreditNote.objects.get()
    # 12.336 is 12.34; 19 % of that 2.34.
    assert (note.invoice, note.status, note.reason) == (billed, "issued", "late_reversal")
    assert (note.net, note.tax, note.total) == (
        Decimal("12.34"),
        Decimal("2.34"),
        Decimal("14.68"),
    )
    assert note.explanation == "Usage of October 2026 that was taken back after it was billed"
    assert (note.to_open, note.to_credit) == (Decimal("14.68"), 0)
    line = note.items.get()
    assert (line.item.description, line.taken_over) == ("Call Minutes", Decimal("12.336"))
    record = line.records.get()
    assert (record.record_id, record.reversed_id) == (reversal.pk, reversal.reverses_id)
    assert (record.call_id, record.amount) == (call, Decimal("12.336"))
    # Nothing of it is taken off November.
    assert [item.description for item in invoice.items.all()] == ["Monthly Subscription"]
    assert invoice.net == Decimal("49.00")
    period = invoice.billing_period
    assert period is not None
    assert (period.subtotal, period.reversals_credited, period.total_amount) == (
        Decimal("-12.336"),
        Decimal("12.336"),
        Decimal("49.00"),
    )
    assert differences() == []


def test_it_is_made_once_however_often_the_month_is_closed(acme: Workspace) -> None:
    october(acme, "10.28")
    take_back(acme)
    november(acme)
    finalize_due_periods(now=DECEMBER_3)
    finalize_due_periods(now=DECEMBER_3 + dt.timedelta(days=31))
    assert CreditNote.objects.count() == CreditedRecord.objects.count() == 1


def test_what_is_paid_already_is_credit_that_the_month_uses(acme: Workspace) -> None:
    billed = october(acme, "10.28")
    settle.mark_paid(invoice_id=billed.pk, paid_at=NOVEMBER_3, now=NOVEMBER_3)
    take_back(acme)
    invoice = november(acme)
    # 14.68 of 49.00 and its tax, 58.31.
    assert CreditNote.objects.get().to_credit == invoice.credit_used == Decimal("14.68")
    assert invoice.amount_due == Decimal("43.63")
    assert credit_balance(acme.pk, "EUR") == 0


def test_without_tax_it_lowers_the_next_invoice_unless_the_setting_says_otherwise(
    settings: Settings,
) -> None:
    acme = make_customer()
    october(acme, "10.28")
    take_back(acme)
    preview = upcoming_invoice(workspace_id=acme.pk, now=NOVEMBER_9)
    assert [item.description for item in preview.items][1:] == ["Late usage, October 2026"]
    settings.UNTAXED_REVERSALS_AS_CREDIT_NOTES = True
    preview = upcoming_invoice(workspace_id=acme.pk, now=NOVEMBER_9)
    (owed,) = preview.closing.notes
    assert owed.items[0].net == Decimal("12.34")
    assert not CreditNote.objects.exists()
    assert november(acme).net == Decimal("49.00")
    note = CreditNote.objects.get()
    assert (note.net, note.tax) == (Decimal("12.34"), 0)


def test_what_the_line_no_longer_holds_stays_with_the_next_invoice(acme: Workspace) -> None:
    billed = october(acme, "10.00", "5.00")
    usage = billed.items.get(kind="usage")
    issue_note(billed, items={usage.pk: Decimal("9.00")})
    take_back(acme)
    invoice = november(acme)
    # Of the 12.00 the line, which held 18.00, has 9.00: 3.00 come off November.
    note = CreditNote.objects.get(reason="late_reversal")
    assert note.net == Decimal("9.00")
    assert [(item.description, item.amount) for item in invoice.items.all()] == [
        ("Monthly Subscription", Decimal("49.00")),
        ("Late usage, October 2026", Decimal("-3.00")),
    ]
    late = invoice.items.get(kind="late_usage")
    assert (proof_of(late).listed, proof_of(late).exact) == (Decimal("-12"), Decimal("-3"))
    assert differences() == []


def test_less_than_half_a_cent_stays_too(acme: Workspace) -> None:
    october(acme, "0.004", "5.00")
    take_back(acme)
    invoice = november(acme)
    assert not CreditNote.objects.exists()
    assert invoice.items.get(kind="late_usage").exact_amount == Decimal("-0.0048")
    assert differences() == []


def test_of_a_discounted_line_what_was_asked_for_it_is_given_back(acme: Workspace) -> None:
    add_discount(
        workspace_id=acme.pk,
        name="Partner discount",
        percentage=Decimal(10),
        starts_on=dt.date(2026, 10, 1),
        now=OCTOBER_5,
    )
    october(acme, "10.00", "5.00")
    take_back(acme)
    november(acme)
    note = CreditNote.objects.get()
    # Of the 12.00, 10 % were off.
    assert note.net == Decimal("10.80")
    assert note.items.get().taken_over == Decimal("12.00")
    assert differences() == []


def test_prices_with_tax_give_back_the_net_of_what_was_reversed() -> None:
    register()
    acme = make_customer()
    update_billing_settings(
        workspace_id=acme.pk, changes={"prices_include_tax": True}, now=OCTOBER_5
    )
    october(acme, "10.00")
    take_back(acme)
    november(acme)
    note = CreditNote.objects.get()
    # 12.00 with 19 % in it: 10.08 and 1.92.
    assert (note.net, note.tax) == (Decimal("10.08"), Decimal("1.92"))
    assert differences() == []


def test_the_ledger_sees_what_does_not_agree_with_the_records(
    acme: Workspace,
) -> None:
    october(acme, "10.28")
    take_back(acme)
    november(acme)
    by_force("UPDATE invoices_creditedrecord SET amount = 12")
    assert any("12.336" in each for each in differences())


def test_a_reversal_is_behind_one_line_only(acme: Workspace) -> None:
    october(acme, "10.28")
    take_back(acme)
    november(acme)
    record = CreditedRecord.objects.get()
    with pytest.raises(IntegrityError, match="one_credit_note_item"), transaction.atomic():
        CreditedRecord.objects.create(
            item=record.item,
            workspace=acme,
            record_id=record.record_id,
            reversed_id=record.reversed_id,
            amount=1,
        )
