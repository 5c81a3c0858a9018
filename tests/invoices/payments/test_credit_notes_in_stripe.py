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
    NotRefundable,
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
