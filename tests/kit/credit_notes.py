"""Credit notes as finance makes them."""

import datetime as dt
from decimal import Decimal

from billing.models import Workspace
from billing.stripe_accounts import DEFAULT
from invoices.models import CreditNote, Invoice
from invoices.payments.models import CreditNoteSync
from invoices.payments.services import stripe_client
from invoices.payments.services.credit_notes import approve_and_issue, draft_credit_note
from invoices.payments.services.credit_notes.sync import sync_credit_note
from invoices.payments.services.customers import ensure_customer
from invoices.payments.services.reconciliation import reconcile
from invoices.payments.services.stripe_sync import sync_invoice
from tests.kit.invoices import NOVEMBER_2, make_invoice
from tests.kit.stripe_side import give_card

NOVEMBER_5 = dt.datetime(2026, 11, 5, 12, tzinfo=dt.UTC)


def draft_note(
    invoice: Invoice, total: str = "20.00", *, rest_to: str = "credit", **facts: object
) -> CreditNote:
    return draft_credit_note(
        invoice_id=invoice.pk,
        total=None if "items" in facts else Decimal(total),
        reason="quality",
        explanation="Two calls were not understandable",
        rest_to=rest_to,
        drafted_by="fiona@platform.test",
        now=NOVEMBER_5,
        **facts,  # type: ignore[arg-type]
    )


def issue_note(invoice: Invoice, total: str = "20.00", **facts: object) -> CreditNote:
    note = draft_note(invoice, total, **facts)  # type: ignore[arg-type]
    return approve_and_issue(credit_note_id=note.pk, by="fiona@platform.test", now=NOVEMBER_5)


def paid(workspace: Workspace) -> Invoice:
    """An invoice over 61.34 that a card has paid."""
    give_card(ensure_customer(workspace_id=workspace.pk, account=DEFAULT, now=NOVEMBER_2))
    invoice = make_invoice(workspace, status="draft")
    assert sync_invoice(invoice_id=invoice.pk, now=NOVEMBER_2).done
    assert reconcile(now=NOVEMBER_2) == []
    invoice.refresh_from_db()
    return invoice


def in_stripe(invoice: Invoice) -> tuple[str, int, int, int]:
    """Status, what remains, and the sums of its credit notes and refunds."""
    invoice.refresh_from_db()
    found = stripe_client.get(DEFAULT, f"/v1/invoices/{invoice.stripe_invoice_id}")
    notes = stripe_client.every(DEFAULT, "/v1/credit_notes", {"invoice": found["id"]})
    refunds = stripe_client.every(DEFAULT, "/v1/refunds")
    return (
        found["status"],
        found["amount_remaining"],
        sum(note["total"] for note in notes),
        sum(refund["amount"] for refund in refunds),
    )


def sync(note: CreditNote, now: dt.datetime = NOVEMBER_5) -> str:
    sync_credit_note(credit_note_id=note.pk, now=now)
    return CreditNoteSync.objects.get(pk=note.pk).status
