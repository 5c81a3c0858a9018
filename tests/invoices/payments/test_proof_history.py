"""What no sum holds is held by the log: statuses, days, texts and amounts changed by force."""

import hashlib
from decimal import Decimal

import pytest

from billing.models import AuditEntry, BillingPeriod, Workspace
from invoices.models import Invoice, TrialInvoice
from invoices.payments.services import proof
from invoices.payments.services.call_disputes import approve_dispute, open_dispute
from invoices.payments.services.chargebacks import note_chargeback
from invoices.payments.services.ledger import history_differences
from invoices.services import manual_items, manual_lines
from tests.kit.by_force import by_force, changed_by_force
from tests.kit.credit_notes import issue_note
from tests.kit.kept import made_once
from tests.kit.proved import JANUARY_3, make_proved_month
from tests.kit.usage import make_call, make_usage
from usage.services.ledger import Scope

pytestmark = pytest.mark.django_db

# Each column: what it is set to, and whose history says otherwise.
TAMPERED = {
    ("invoices_invoice", "due_date"): ("due_date + 30", "invoice"),
    ("invoices_invoice", "carried_in"): ("carried_in + 0.01", "invoice"),
    ("invoices_invoice", "payment_terms_days"): ("payment_terms_days + 30", "invoice"),
    ("invoices_invoice", "bill_to_tax_id"): ("'DE1'", "invoice"),
    ("invoices_invoice", "custom_fields"): ("""'[["PO", "7"]]'""", "invoice"),
    ("invoices_creditnote", "explanation"): ("'Something else'", "credit note"),
    ("invoices_creditnote", "issued_at"): ("issued_at - interval '40 days'", "credit note"),
    ("payments_paymententry", "occurred_at"): ("occurred_at + interval '1 day'", "entry"),
    ("payments_chargeback", "amount"): ("amount + 0.01", "chargeback"),
    ("payments_chargeback", "status"): ("'under_review'", "chargeback"),
    ("payments_payment", "received_on"): ("received_on + 1", "payment"),
    ("payments_creditentry", "reason"): ("'a present'", "credit"),
    ("payments_calldispute", "amount"): ("amount + 1", "dispute"),
    ("payments_calldispute", "text"): ("'All was well'", "dispute"),
    ("billing_manualitem", "description"): ("'7'", "line by hand"),
    ("billing_manualitem", "net"): ("net + 1", "line by hand"),
    ("billing_manualitem", "asked_by"): ("'nobody'", "line by hand"),
    ("billing_periodcharge", "source_id"): ("'7'", "charge"),
    ("invoices_creditnoteitem", "position"): ("position + 1", "line"),
    ("payments_creditnotestep", "amount"): ("amount + 1", "request for a credit note"),
    ("billing_billingperiod", "tier_id"): ("tier_id + 1", "period"),
    ("billing_billingperiod", "period_end"): (
        "period_end + interval '1 hour' WHERE status = 'current'",
        "period",
    ),
    ("billing_workspace", "billing_email"): ("'other@acme.test'", "customer"),
    ("billing_workspacebillingsettings", "alert_threshold_percentage"): ("1", "terms"),
    ("billing_workspacemember", "role"): ("'viewer'", "member"),
    ("billing_user", "is_superuser"): ("true", "person"),
    ("billing_rate", "price_json"): ("""'{"model": "per_unit", "unit_price": "0"}'""", "rate"),
    # Of these the log has the digest.
    ("invoices_trialinvoice", "snapshot"): ("""'{"total": "0"}'""", "trial"),
}


def failing() -> dict[str, str]:
    found = proof.prove(Scope(), now=JANUARY_3)
    return {each.step.name: str(each.first) for each in found.results if not each.passed}


def of_history() -> str:
    """The first difference of the one step that these tests are about."""
    steps = [step for step in proof.STEPS if step.name == "history"]
    [result] = proof.prove(Scope(), now=JANUARY_3, steps=steps).results
    return "nothing" if result.passed else str(result.first)


@made_once
def documents() -> None:
    """A paid month with a credit note, a chargeback, a dispute that was approved, a line by hand,
    and what its trial had come to."""
    acme = make_proved_month()
    invoice = Invoice.objects.get(workspace=acme)
    issue_note(invoice, "3.00")
    note_chargeback(
        invoice_id=invoice.pk,
        stripe_id="du_1",
        amount=invoice.amount,
        status="needs_response",
        reason="fraudulent",
        charge_id="ch_1",
        due_by=JANUARY_3,
        opened_at=JANUARY_3,
        now=JANUARY_3,
    )
    call = make_call(acme, JANUARY_3)
    make_usage(acme, JANUARY_3, "1", "10", key="disputed", call_id=call)
    dispute, _ = open_dispute(
        workspace_id=acme.pk,
        call_id=call,
        reason="dropped",
        text="It broke off",
        opened_by="owner@acme.test",
        now=JANUARY_3,
    )
    approve_dispute(dispute_id=dispute.pk, by="fay@finance.test", now=JANUARY_3)
    manual_items.add_manual_item(
        workspace_id=acme.pk,
        line=manual_lines.ManualLine("charge", "007", Decimal(90)),
        reason="Asked for",
        asked_by="ann@finance.test",
        now=JANUARY_3,
    )
    TrialInvoice.objects.create(
        period=BillingPeriod.objects.get(invoices=invoice),
        made_at=JANUARY_3,
        kind=TrialInvoice.Kind.USUAL,
        currency="USD",
        amount=invoice.amount,
        digest="0" * 64,
        snapshot={"total": "73.15"},
    )


@pytest.mark.usefixtures("documents")
def test_what_no_sum_holds_is_held_by_the_log() -> None:
    assert failing() == {}

    wrong = []
    for (table, column), (value, whose) in TAMPERED.items():
        with changed_by_force(f"UPDATE {table} SET {column} = {value}"):
            says = of_history()
        if not says.startswith(f"{whose} and its history") or f": {column} is " not in says:
            wrong.append(f"{table}.{column}: {says}")
    assert not wrong, "\n".join(wrong)
    with changed_by_force("DELETE FROM billing_manualitem"):
        assert "007: gone, and no entry says so" in of_history()
    assert failing() == {}


@pytest.mark.usefixtures("documents")
def test_a_clock_that_was_set_back_makes_no_difference() -> None:
    # As if each change had been made before the one that it followed.
    by_force("UPDATE billing_auditentry SET at = timestamptz '2000-01-01' - (at - '2000-01-01')")
    assert failing() == {}

    with changed_by_force("UPDATE invoices_invoice SET due_date = due_date + 30"):
        assert ": due_date is " in of_history()


@pytest.mark.usefixtures("documents")
def test_rows_from_before_the_log_are_held_to_what_changed_since() -> None:
    by_force("DELETE FROM billing_auditentry WHERE operation = 'insert'")
    assert failing() == {}

    with changed_by_force("UPDATE invoices_invoice SET paid_at = paid_at + interval '1 day'"):
        assert ": paid_at is " in of_history()


@pytest.mark.usefixtures("documents")
def test_a_workspace_alone_is_held_to_its_own_log() -> None:
    acme, globex = (Workspace.objects.get(name=name) for name in ("Acme", "Globex"))
    with changed_by_force("DELETE FROM billing_manualitem"):
        assert [each.workspace_id for each in history_differences(Scope(acme.pk))] == [acme.pk]
        assert list(history_differences(Scope(globex.pk))) == []


@pytest.mark.usefixtures("documents")
def test_of_long_texts_the_log_has_digests() -> None:
    entry = AuditEntry.objects.get(table="invoices_trialinvoice")

    assert entry.changes["snapshot"] == [None, "sha256:" + _sha256('{"total": "73.15"}')]
    assert entry.changes["amount"] == [None, "73.150"]


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
