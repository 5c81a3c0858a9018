"""Voiding a credit note that was issued by mistake, while none of its money has moved for good.

What it took is the invoice's again: its lines and rates, what was open, the customer's credit. Its
number stays used. Stripe follows as durable work of the same row as the note's own way there.
"""

import datetime as dt
from uuid import UUID

from django.db.models import F, Max

from billing.errors import Conflict, Invalid
from billing.formats import money
from billing.models import DurableWork
from invoices.models import CreditedRecord, CreditNote, Invoice, InvoiceEvent, InvoiceItem
from invoices.payments.models import CallDispute, CreditEntry, CreditNoteStep, CreditNoteSync
from invoices.payments.services.credit_notes import notifications
from invoices.payments.services.credit_notes.drafting import locked_note
from invoices.payments.services.credit_notes.sync import CREDIT_NOTES
from invoices.payments.services.second_person import agree_or_ask, confirmable, drop_awaited
from invoices.payments.services.settle.credit import credit_balance, take_credit
from invoices.payments.services.settle.taking_back import is_awaited_again, open_again
from invoices.services.history import record

Kind = CreditNoteStep.Kind
Status = CreditNote.Status


class CannotVoid(Conflict):
    """Some of its money has moved, or what it took cannot be asked for again."""

    code = "cannot_void"


def void_credit_note(*, credit_note_id: UUID, reason: str, by: str, now: dt.datetime) -> CreditNote:
    """Have an issued note take nothing back any more; again changes nothing.

    Above `SECOND_PERSON_ABOVE` the first to say so asks for it, and the note stays issued until
    somebody else says so too. Raises `NotFound`, `Invalid` without a reason, and `CannotVoid`.
    """
    reason = reason.strip()[:500]
    if not reason:
        raise Invalid("Say why; the customer reads it.", field="reason", code="required")
    with locked_note(credit_note_id) as (note, invoice):
        if note.is_void:
            return note
        if note.status != Status.ISSUED:
            raise CannotVoid("It is not issued: discard it instead.")
        sync = CreditNoteSync.objects.select_for_update().filter(pk=note.pk).first()
        _require_unmoved(note, sync)
        _require_askable(note, invoice)
        if not agree_or_ask(
            note, invoice, amount=note.total, decision="void", reason=reason, by=by, now=now
        ):
            return note
        _give_back(note, invoice, by, now)
        note.status, note.voided_at = Status.VOID, now
        note.voided_by, note.void_reason = by[:254], reason
        note.save(update_fields=["status", "voided_at", "voided_by", "void_reason"])
        if sync is not None:
            _begin_voiding(sync, now)
        record(
            invoice,
            InvoiceEvent.Kind.CREDIT_NOTE,
            at=now,
            source=by,
            detail=f"{note.number} is void: {reason}",
            key=f"credit-note-void:{note.pk}",
        )
        notifications.tell_credit_note_void(note, now=now)
        return note


def confirm_void(*, credit_note_id: UUID, by: str, now: dt.datetime) -> CreditNote:
    """Void the note as somebody else has asked for.

    Raises `NotFound`, `NothingAwaited`, `SecondPersonNeeded` and `CannotVoid`.
    """
    with locked_note(credit_note_id) as (note, _):
        reason = confirmable(note, by=by).reason
        return void_credit_note(credit_note_id=note.pk, reason=reason, by=by, now=now)


def keep_credit_note(*, credit_note_id: UUID, by: str, now: dt.datetime) -> CreditNote:
    """Have the note stay issued, though somebody has asked to void it. Raises `NotFound`."""
    with locked_note(credit_note_id) as (note, invoice):
        drop_awaited(note, invoice, by=by, now=now)
        return note


def can_be_void(note: CreditNote) -> bool:
    """Whether nothing that is seen at a glance speaks against it."""
    return note.status == Status.ISSUED and not note.to_out_of_band and not _refund_of(note)


def _require_unmoved(note: CreditNote, sync: CreditNoteSync | None) -> None:
    if note.to_out_of_band:
        sent = money(note.to_out_of_band, note.currency)
        raise CannotVoid(f"{sent} of it was for you to send back: bill it by a correction instead.")
    refund = _refund_of(note)
    if refund is not None:
        state = "is made" if refund.done_at else "may be made: try again once Stripe has answered"
        raise CannotVoid(f"A refund of {money(refund.amount, note.currency)} {state}.")
    if CreditedRecord.objects.filter(item__credit_note=note).exists():
        raise CannotVoid("It gives back usage that was taken back: that stays taken back.")
    if CallDispute.objects.filter(credit_note=note).exists():
        raise CannotVoid("A dispute of a call was approved with it.")
    left = credit_balance(note.workspace_id, note.currency)
    if note.to_credit > left:
        raise CannotVoid(
            f"{money(note.to_credit, note.currency)} of it became credit, and only"
            f" {money(left, note.currency)} is left: the rest was used or paid out."
        )


def _refund_of(note: CreditNote) -> CreditNoteStep | None:
    """A refund that Stripe has made, or may have; not one that it has never heard of or refused."""
    steps = CreditNoteStep.objects.filter(sync__credit_note=note, kind=Kind.REFUND)
    return next((step for step in steps.select_related("sync") if not _is_unmade(step)), None)


def _is_unmade(step: CreditNoteStep) -> bool:
    sync = step.sync
    is_refused = (
        sync.status == DurableWork.Status.BLOCKED
        and sync.blocked_reason == DurableWork.Reason.REFUSED
    )
    return step.done_at is None and (not step.times_tried or is_refused)


def _require_askable(note: CreditNote, invoice: Invoice) -> None:
    """What was open has to be open again, in Stripe too, which opens nothing that is paid."""
    if not note.to_open or invoice.status in Invoice.UNPAID:
        return
    if invoice.status == Invoice.Status.PAID and invoice.stripe_invoice_id is None:
        return
    raise CannotVoid(
        f"{invoice.number} is {invoice.get_status_display().lower()} by now: bill what is missing"
        " by a correction instead."
    )


def _give_back(note: CreditNote, invoice: Invoice, by: str, now: dt.datetime) -> None:
    for line in note.items.all():
        InvoiceItem.objects.filter(pk=line.item_id).update(
            net_credited=F("net_credited") - line.net
        )
    if note.to_open:
        open_again(invoice, now=now)
    invoice.net_credited -= note.net
    invoice.tax_credited -= note.tax
    invoice.amount_credited -= note.to_open
    if note.to_open:
        invoice.status = is_awaited_again(invoice)
    invoice.save(
        update_fields=["net_credited", "tax_credited", "amount_credited", "status", "updated_at"]
    )
    if note.to_credit:
        take_credit(
            kind=CreditEntry.Kind.NOTE_VOID,
            workspace_id=note.workspace_id,
            currency=note.currency,
            amount=note.to_credit,
            on=now.astimezone(note.workspace.zone).date(),
            reference=str(note.number),
            reason=f"{note.number} is void",
            key=f"credit-note-void:{note.pk}",
            now=now,
            source=by,
        )


def _begin_voiding(sync: CreditNoteSync, now: dt.datetime) -> None:
    """Have Stripe undo what it made, the last first; what it never made it is not asked for.

    Whoever is at work on the row loses its lease: what it has sent counts as perhaps made, and is
    looked up before it is undone.
    """
    made = []
    for step in sync.steps.select_related("sync"):
        if _is_unmade(step):
            step.delete()
        else:
            made.append(step)
    last = sync.steps.aggregate(last=Max("position"))["last"] or 0
    CreditNoteStep.objects.bulk_create(
        CreditNoteStep(
            sync=sync,
            position=last + count,
            # Stripe voids what lowered an open invoice; what it noted of a paid one stays there.
            kind=Kind.VOID if step.kind == Kind.LOWER else Kind.MARK,
            amount=step.amount,
            of=step,
        )
        for count, step in enumerate(reversed(made), start=1)
    )
    CREDIT_NOTES.reset(sync, now, requested_at=now, lease_token=None, lease_expires_at=None)
