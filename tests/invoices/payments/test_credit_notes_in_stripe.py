"""Credit notes and their refunds in Stripe: made once, whatever fails."""

import datetime as dt
from decimal import Decimal

import pytest

from billing.models import Workspace
from dev.stripe_sandbox.testing import SandboxProcess
from invoices.models import CreditNote, Invoice
from invoices.payments.models import CreditNoteSync
from invoices.payments.services import stripe_client
from invoices.payments.services.credit_notes import (
    CannotVoid,
    NotRefundable,
    creditable,
    void_credit_note,
)
from invoices.payments.services.credit_notes.sync import sync_credit_note
from invoices.payments.services.customers import ensure_customer
from invoices.payments.services.ledger.settlements import settlement_differences
from invoices.payments.services.reconciliation import reconcile
from invoices.payments.services.stripe_sync import sync_invoice
from tests.kit.crashes import Call, killed_at_request
from tests.kit.credit_notes import NOVEMBER_5, issue_note
from tests.kit.invoices import NOVEMBER_2, make_invoice
from tests.kit.personas import make_workspace
from tests.kit.stripe_side import give_card
from usage.services.ledger import Scope

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme() -> Workspace:
    return make_workspace("Acme")


def paid(workspace: Workspace) -> Invoice:
    give_card(ensure_customer(workspace_id=workspace.pk, now=NOVEMBER_2))
    invoice = make_invoice(workspace, status="draft")
    assert sync_invoice(invoice_id=invoice.pk, now=NOVEMBER_2).done
    assert reconcile(now=NOVEMBER_2) == []
    invoice.refresh_from_db()
    return invoice


def in_stripe(invoice: Invoice) -> tuple[str, int, int, int]:
    """Status, what remains, and the sums of its credit notes and refunds."""
    invoice.refresh_from_db()
    found = stripe_client.get(f"/v1/invoices/{invoice.stripe_invoice_id}")
    notes = stripe_client.every("/v1/credit_notes", {"invoice": found["id"]})
    refunds = stripe_client.every("/v1/refunds")
    return (
        found["status"],
        found["amount_remaining"],
        sum(note["total"] for note in notes),
        sum(refund["amount"] for refund in refunds),
    )


def sync(note: CreditNote, now: dt.datetime = NOVEMBER_5) -> str:
    sync_credit_note(credit_note_id=note.pk, now=now)
    return CreditNoteSync.objects.get(pk=note.pk).status


def test_twenty_goes_back_to_the_card(acme: Workspace, stripe_sandbox: SandboxProcess) -> None:
    invoice = paid(acme)
    note = issue_note(invoice, rest_to="refund")
    assert sync(note) == "done"
    assert in_stripe(invoice) == ("paid", 0, 2000, 2000)
    invoice.refresh_from_db()
    assert invoice.amount_refunded == Decimal("20.00")
    assert reconcile(now=NOVEMBER_5) == []
    assert list(settlement_differences(Scope())) == []
    with pytest.raises(NotRefundable):
        issue_note(make_invoice(acme, month=9, status="paid"), rest_to="refund")


def test_more_than_is_open_lowers_it_and_gives_the_rest_as_credit(
    acme: Workspace, stripe_sandbox: SandboxProcess
) -> None:
    invoice = make_invoice(acme, status="draft", collection_method="send_invoice")
    assert sync_invoice(invoice_id=invoice.pk, now=NOVEMBER_2).done
    note = issue_note(invoice)
    assert sync(note) == "done"
    assert in_stripe(invoice) == ("open", 4134, 2000, 0)
    assert reconcile(now=NOVEMBER_5) == []


REQUESTS = {
    "refund": Call("POST", r"/v1/refunds$"),
    "note": Call("POST", r"/v1/credit_notes$"),
}


@pytest.mark.parametrize("pause", [dt.timedelta(hours=2), dt.timedelta(hours=26)])
@pytest.mark.parametrize(
    "fault", ["drop_before", "drop_after", "500_before", "500_after", "saved_500", "429"]
)
@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_that_fails_is_made_good_and_nothing_is_given_twice(
    acme: Workspace, stripe_sandbox: SandboxProcess, name: str, fault: str, pause: dt.timedelta
) -> None:
    invoice = paid(acme)
    note = issue_note(invoice, rest_to="refund")
    call = REQUESTS[name]
    stripe_sandbox.inject(fault, method=call.method, path=call.path)
    assert sync(note) == "waiting"
    stripe_sandbox.advance(int(pause.total_seconds()))
    for round_ in range(3):
        sync(note, NOVEMBER_5 + pause + round_ * dt.timedelta(hours=2))
    assert sync(note) == "done"
    assert in_stripe(invoice) == ("paid", 0, 2000, 2000)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("name", REQUESTS)
def test_a_killed_process_is_followed_by_another(
    acme: Workspace,
    stripe_sandbox: SandboxProcess,
    name: str,
    when: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    invoice = paid(acme)
    note = issue_note(invoice, rest_to="refund")
    with killed_at_request(REQUESTS[name], when=when, monkeypatch=monkeypatch):
        sync(note)
    assert sync(note, NOVEMBER_5 + dt.timedelta(hours=1)) == "done"
    assert in_stripe(invoice) == ("paid", 0, 2000, 2000)


def void(note: CreditNote) -> CreditNote:
    return void_credit_note(
        credit_note_id=note.pk, reason="Meant for another", by="fiona", now=NOVEMBER_5
    )


def lowered(workspace: Workspace) -> tuple[Invoice, CreditNote]:
    """An invoice over 61.34 that is asked for, less a note over 20.00, not in Stripe yet."""
    invoice = make_invoice(workspace, status="draft", collection_method="send_invoice")
    assert sync_invoice(invoice_id=invoice.pk, now=NOVEMBER_2).done
    return invoice, issue_note(invoice)


VOID = Call("POST", r"/v1/credit_notes/[^/]+/void$")


@pytest.mark.parametrize("fault", ["drop_before", "drop_after", "500_after", "saved_500"])
def test_a_void_note_is_void_in_stripe_once_whatever_fails(
    acme: Workspace, stripe_sandbox: SandboxProcess, fault: str
) -> None:
    invoice, note = lowered(acme)
    assert sync(note) == "done"
    void(note)
    stripe_sandbox.inject(fault, method=VOID.method, path=VOID.path)
    assert sync(note) == "waiting"
    later = NOVEMBER_5 + dt.timedelta(hours=26)
    stripe_sandbox.advance(26 * 3600)
    sync(note, later)
    assert sync(note, later + dt.timedelta(hours=2)) == "done"
    status, remaining, _, refunds = in_stripe(invoice)
    assert (status, remaining, refunds) == ("open", 6134, 0)
    assert reconcile(now=later) == []


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_kill_while_it_is_made_void_is_made_good(
    acme: Workspace,
    stripe_sandbox: SandboxProcess,
    when: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    invoice, note = lowered(acme)
    assert sync(note) == "done"
    void(note)
    with killed_at_request(VOID, when=when, monkeypatch=monkeypatch):
        sync(note)
    assert sync(note, NOVEMBER_5 + dt.timedelta(hours=1)) == "done"
    assert in_stripe(invoice)[:2] == ("open", 6134)


def test_void_before_stripe_has_heard_of_it_asks_nothing_there(
    acme: Workspace, stripe_sandbox: SandboxProcess
) -> None:
    invoice, note = lowered(acme)
    void(note)
    assert sync(note) == "done"
    assert in_stripe(invoice) == ("open", 6134, 0, 0)


def test_what_may_be_made_in_stripe_is_looked_up_and_undone(
    acme: Workspace, stripe_sandbox: SandboxProcess
) -> None:
    invoice, note = lowered(acme)
    stripe_sandbox.inject("drop_after", method="POST", path=r"/v1/credit_notes$")
    assert sync(note) == "waiting"
    void(note)
    assert sync(note) == "done"
    assert in_stripe(invoice)[:2] == ("open", 6134)


def test_credit_of_a_paid_invoice_is_void_here_and_marked_there(
    acme: Workspace, stripe_sandbox: SandboxProcess
) -> None:
    invoice = paid(acme)
    note = issue_note(invoice)
    assert sync(note) == "done"
    void(note)
    assert sync(note) == "done"
    (made,) = stripe_client.every("/v1/credit_notes", {"invoice": invoice.stripe_invoice_id})
    assert made["memo"] == "INV-CN-2026-000001 is void: Meant for another"
    assert reconcile(now=NOVEMBER_5) == []


def test_what_was_refunded_is_not_void_and_what_stripe_refuses_is(
    acme: Workspace, stripe_sandbox: SandboxProcess
) -> None:
    invoice = paid(acme)
    refunded = issue_note(invoice, rest_to="refund")
    assert sync(refunded) == "done"
    with pytest.raises(CannotVoid, match="A refund of"):
        void(refunded)
    refused = issue_note(invoice, "10.00", rest_to="refund")
    # Somebody was faster, in Stripe's dashboard: there is nothing left to refund.
    entry = invoice.payment_entries.get(kind="payment")
    stripe_client.post(
        "/v1/refunds", {"payment_intent": entry.payment_intent_id, "amount": 4134}, key="by hand"
    )
    assert sync(refused) == "blocked"
    assert void(refused).status == "void"
    assert sync(refused) == "done"
    assert creditable(Invoice.objects.get(pk=invoice.pk)) == Decimal("41.34")
    assert list(settlement_differences(Scope())) == []
