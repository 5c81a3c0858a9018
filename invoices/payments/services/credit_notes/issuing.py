"""Issuing a credit note: its number, what it takes of each line, and where the money goes."""

import datetime as dt
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F, Sum
from django.db.models.functions import Coalesce

from billing.errors import Conflict
from billing.formats import money
from billing.issuers import credit_note_series_of, freeze, issuer_of
from billing.money import ZERO, to_charge_steps
from invoices.models import CreditNote, Invoice, InvoiceEvent, InvoiceItem
from invoices.payments.models import CreditNoteStep, CreditNoteSync, PaymentEntry
from invoices.payments.services import settle
from invoices.payments.services.credit_notes import notifications
from invoices.payments.services.credit_notes.drafting import (
    CreditTooLarge,
    NotCreditable,
    approve_credit_note,
    draft_credit_note,
    locked_note,
    require_left,
)
from invoices.payments.services.credit_notes.sync import CREDIT_NOTES
from invoices.payments.services.second_person import needs_second_person
from invoices.payments.services.settle.credit import add_credit
from invoices.services.closing.numbering import take_numbers
from invoices.services.e_invoices import freeze_credit_note
from invoices.services.history import record
from invoices.services.holdings import holdings

RestTo = CreditNote.RestTo
Kind = CreditNoteStep.Kind


class NotRefundable(Conflict):
    """Not so much of it was paid through Stripe."""

    code = "not_refundable"


def refundable(invoice: Invoice) -> list[tuple[PaymentEntry, Decimal]]:
    """What may go back of each payment through Stripe, the latest first."""
    under_way = dict(
        CreditNoteStep.objects.filter(
            kind=Kind.REFUND, entry__invoice=invoice, done_at__isnull=True
        )
        .values("entry")
        .annotate(total=Coalesce(Sum("amount"), ZERO))
        .values_list("entry", "total")
    )
    entries = invoice.payment_entries.filter(kind=PaymentEntry.Kind.PAYMENT)
    left = [
        (entry, entry.amount - entry.amount_refunded - under_way.get(entry.pk, ZERO))
        for entry in entries.exclude(charge_id="", payment_intent_id="").order_by("-occurred_at")
    ]
    return [(entry, amount) for entry, amount in left if amount > 0]


def credit_invoice(*, drafted_by: str, now: dt.datetime, **facts: Any) -> CreditNote:
    """Draft a note and issue it, or nothing of both; a draft where it takes a second person.

    Takes and raises what `draft_credit_note` and `issue_credit_note` do.
    """
    with transaction.atomic():
        note = draft_credit_note(drafted_by=drafted_by, now=now, **facts)
        if note.status != CreditNote.Status.DRAFT or needs_second_person(note.total):
            return note
        return approve_and_issue(credit_note_id=note.pk, by=drafted_by, now=now)


def approve_and_issue(*, credit_note_id: UUID, by: str, now: dt.datetime) -> CreditNote:
    """Both or neither: who approves a note that cannot be issued now has decided nothing."""
    with transaction.atomic():
        approve_credit_note(credit_note_id=credit_note_id, by=by, now=now)
        return issue_credit_note(credit_note_id=credit_note_id, by=by, now=now)


def issue_credit_note(*, credit_note_id: UUID, by: str, now: dt.datetime) -> CreditNote:
    """Issue an approved note; again changes nothing. What is open of the invoice comes first.

    Raises `NotFound`, `NotCreditable`, `CreditTooLarge`, `NotRefundable` and `EInvoiceInvalid`,
    with the note left as it was.
    """
    with locked_note(credit_note_id) as (note, invoice):
        if note.status == CreditNote.Status.ISSUED:
            return note
        if note.status != CreditNote.Status.APPROVED:
            raise NotCreditable("A credit note is approved before it is issued.")
        if invoice.status in (Invoice.Status.DRAFT, Invoice.Status.VOID):
            raise NotCreditable(f"{invoice.number} is {invoice.get_status_display().lower()}.")
        _take(note, invoice)
        refunds = _place(note, invoice)
        year = now.astimezone(note.workspace.zone).year
        entity = invoice.issuing_entity
        (note.number,) = take_numbers(issuer=credit_note_series_of(entity), years=[year])
        note.letterhead = freeze(issuer_of(entity))
        note.status, note.issued_at, note.issued_by = CreditNote.Status.ISSUED, now, by[:254]
        note.save()
        _move(note, invoice, now)
        freeze_credit_note(note, now)
        _begin_sync(note, invoice, refunds, now)
        record(
            invoice,
            InvoiceEvent.Kind.CREDIT_NOTE,
            at=now,
            source=by,
            detail=f"{note.number} over {money(note.total, note.currency)}: {note.explanation}",
            key=f"credit-note:{note.pk}",
        )
        notifications.tell_credit_note(note, now=now)
        return note


def _take(note: CreditNote, invoice: Invoice) -> None:
    """Take what the note is about off what lines and rates hold. Raises `CreditTooLarge`."""
    require_left(invoice, net=note.net, tax=note.tax)
    held = holdings(invoice)
    for tax in note.taxes.all():
        group = held.groups.get((tax.category, tax.rate))
        if (
            group is None
            or to_charge_steps(tax.base, note.currency) > group.net
            or to_charge_steps(tax.tax, note.currency) > group.tax
        ):
            raise CreditTooLarge(
                f"Another credit note has taken of {invoice.number} meanwhile: draft it anew."
            )
    for line in note.items.select_related("item"):
        if line.item.net_credited + line.net > line.item.net:
            raise CreditTooLarge(f"{line.item.description} holds less by now: draft it anew.")
        InvoiceItem.objects.filter(pk=line.item_id).update(
            net_credited=F("net_credited") + line.net
        )
    invoice.net_credited += note.net
    invoice.tax_credited += note.tax
    invoice.save(update_fields=["net_credited", "tax_credited", "updated_at"])


def _place(note: CreditNote, invoice: Invoice) -> list[tuple[PaymentEntry, Decimal]]:
    """Say where the money goes; the payments that are refunded, each with how much."""
    is_asked_for = invoice.status in (*Invoice.UNPAID, Invoice.Status.UNCOLLECTIBLE)
    note.to_open = min(note.total, invoice.amount_open) if is_asked_for else ZERO
    rest = note.total - note.to_open
    note.to_credit = rest if note.rest_to == RestTo.CREDIT else ZERO
    note.to_out_of_band = rest if note.rest_to == RestTo.OUT_OF_BAND else ZERO
    note.to_refund = rest if note.rest_to == RestTo.REFUND else ZERO
    refunds = []
    left = note.to_refund
    for entry, amount in refundable(invoice) if left else []:
        part = min(amount, left)
        if part > 0:
            refunds.append((entry, part))
            left -= part
    if left:
        most = money(note.to_refund - left, note.currency)
        raise NotRefundable(
            f"Only {most} of {invoice.number} can go back through Stripe: give the rest to the"
            " customer's credit, or back another way."
        )
    return refunds


def _move(note: CreditNote, invoice: Invoice, now: dt.datetime) -> None:
    if note.to_credit:
        add_credit(
            workspace_id=note.workspace_id,
            currency=note.currency,
            amount=note.to_credit,
            on=now.astimezone(note.workspace.zone).date(),
            reference=str(note.number),
            reason=note.explanation,
            key=f"credit-note:{note.pk}",
            source=note.issued_by,
            now=now,
        )
    if not note.to_open:
        return
    invoice.amount_credited += note.to_open
    invoice.save(update_fields=["amount_credited", "updated_at"])
    if not invoice.amount_open:
        settle.mark_paid(
            invoice_id=invoice.pk, paid_at=now, now=now, source=f"credit note {note.number}"
        )


def _begin_sync(
    note: CreditNote,
    invoice: Invoice,
    refunds: list[tuple[PaymentEntry, Decimal]],
    now: dt.datetime,
) -> None:
    if invoice.stripe_invoice_id is None:
        return  # settled without Stripe: it has nothing to lower, refund or note
    sync = CreditNoteSync.objects.create(credit_note=note, requested_at=now, next_attempt_at=now)
    given_back = note.total - note.to_open
    steps = [
        *([CreditNoteStep(kind=Kind.LOWER, amount=note.to_open)] if note.to_open else []),
        *(
            CreditNoteStep(kind=Kind.REFUND, amount=amount, entry=entry)
            for entry, amount in refunds
        ),
        *([CreditNoteStep(kind=Kind.NOTE, amount=given_back)] if given_back else []),
    ]
    for position, step in enumerate(steps, start=1):
        step.sync, step.position = sync, position
    CreditNoteStep.objects.bulk_create(steps)
    CREDIT_NOTES.start(sync.pk)
