"""Credit notes and their refunds in Stripe: made once, whatever fails."""

import datetime as dt
from decimal import Decimal

import pytest

from billing.models import Workspace
from billing.stripe_accounts import DEFAULT
from dev.stripe_sandbox.testing import SandboxProcess
from invoices.models import CreditNote, Invoice
from invoices.payments.services import stripe_client
from invoices.payments.services.credit_notes import (
    CannotVoid,
    NotRefundable,
    creditable,
    void_credit_note,
)
from invoices.payments.services.ledger.settlements import settlement_differences
from invoices.payments.services.reconciliation import reconcile
from invoices.payments.services.stripe_sync import sync_invoice
from tests.kit.crashes import Call, killed_at_request
from tests.kit.credit_notes import NOVEMBER_5, in_stripe, issue_note, paid, sync
from tests.kit.invoices import NOVEMBER_2, make_invoice
from tests.kit.personas import make_workspace
from usage.services.ledger import Scope

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme() -> Workspace:
    return make_workspace("Acme")


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
    (made,) = stripe_client.every(
        DEFAULT, "/v1/credit_notes", {"invoice": invoice.stripe_invoice_id}
    )
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
        DEFAULT,
        "/v1/refunds",
        {"payment_intent": entry.payment_intent_id, "amount": 4134},
        key="by hand",
    )
    assert sync(refused) == "blocked"
    assert void(refused).status == "void"
    assert sync(refused) == "done"
    assert creditable(Invoice.objects.get(pk=invoice.pk)) == Decimal("41.34")
    assert list(settlement_differences(Scope())) == []
