"""Bringing a credit note into Stripe, step by step: each is looked up first, and done once.

What is open is lowered by a credit note of Stripe's. What was paid is refunded payment by payment,
and a second one of Stripe's notes the refunds and what went back outside of Stripe. Our customers'
credit is outside of Stripe too (ADR 34). Of a void note Stripe voids the first; the second it does
not, as its invoice is paid: its memo says that it is void.
"""

import datetime as dt
from collections.abc import Callable
from typing import Any
from uuid import UUID

from billing.models import DurableWork
from billing.services.notifications import notify_finance
from billing.services.work import Busy, Claim, LeaseLost, WorkKind
from invoices.models import CreditNote
from invoices.payments.models import CreditNoteStep, CreditNoteSync
from invoices.payments.services import settle, stripe_client
from invoices.payments.services.payloads import text
from invoices.payments.services.stripe_client import StripeObject
from invoices.payments.services.stripe_errors import StripeRefused, StripeUnavailable
from invoices.payments.services.stripe_requests import perform
from invoices.payments.services.stripe_units import stripe_minor

Kind = CreditNoteStep.Kind
# Tried for ever: the customer has the document already.
CREDIT_NOTES = WorkKind(
    CreditNoteSync,
    task="payments.sync_credit_note",
    first_wait=dt.timedelta(seconds=8),
    longest_wait=dt.timedelta(hours=1),
)
_REASONS = {
    CreditNote.Reason.DUPLICATE: "duplicate",
    CreditNote.Reason.CANCELLED: "order_change",
    CreditNote.Reason.QUALITY: "product_unsatisfactory",
    CreditNote.Reason.DROPPED: "product_unsatisfactory",
}


def sync_credit_note(*, credit_note_id: UUID, now: dt.datetime) -> None:
    """Take the steps that are left, as far as that goes now; again changes nothing."""
    try:
        with CREDIT_NOTES.claimed(credit_note_id, now) as claim:
            _run(claim)
    except (Busy, LeaseLost):
        return


def _run(claim: Claim[CreditNoteSync]) -> None:
    sync = claim.row
    try:
        for step in sync.steps.select_related("entry"):
            if step.done_at is None:
                _take(claim, step)
    except StripeUnavailable as error:
        claim.retry_later(error.detail, at_least=error.retry_after)
    except StripeRefused as error:
        claim.block(DurableWork.Reason.REFUSED, error.detail)
        _tell_finance(sync, error.detail, claim.clock())
    else:
        claim.done()


def _take(claim: Claim[CreditNoteSync], step: CreditNoteStep) -> None:
    note = claim.row.credit_note
    path, params, look_up = _REQUESTS[step.kind](note, step)
    made = perform(
        step,
        account=note.invoice.stripe_account,
        lease=claim.lease,
        clock=claim.clock,
        key=f"credit-note/{note.pk}/{step.position}" + ("/undo" if step.of_id else ""),
        path=path,
        params=lambda: params,
        look_up=look_up,
    )
    claim.lease.renew(claim.clock())
    step.stripe_id, step.done_at = made["id"], claim.clock()
    step.save(update_fields=["stripe_id", "done_at"])
    claim.worked()
    if step.kind == Kind.REFUND:
        _note_refund(note, step, made, claim.clock())


_Request = tuple[str, dict[str, Any], Callable[[], StripeObject | None]]


def _lower(note: CreditNote, step: CreditNoteStep) -> _Request:
    params = {**_common(note, step), "amount": stripe_minor(step.amount, note.currency)}
    return "/v1/credit_notes", params, lambda: _made("/v1/credit_notes", params, note, step)


def _refund(note: CreditNote, step: CreditNoteStep) -> _Request:
    assert step.entry is not None
    paid_with = (
        {"charge": step.entry.charge_id}
        if step.entry.charge_id
        else {"payment_intent": step.entry.payment_intent_id}
    )
    params = {
        **paid_with,
        "amount": stripe_minor(step.amount, note.currency),
        "reason": "requested_by_customer",
        "metadata": _metadata(note, step),
    }
    return "/v1/refunds", params, lambda: _made("/v1/refunds", paid_with, note, step)


def _note(note: CreditNote, step: CreditNoteStep) -> _Request:
    refunds = step.sync.steps.filter(kind=Kind.REFUND).exclude(stripe_id="")
    outside = stripe_minor(note.to_credit + note.to_out_of_band, note.currency)
    params = {
        **_common(note, step),
        "amount": stripe_minor(step.amount, note.currency),
        **({"out_of_band_amount": outside} if outside else {}),
    }
    linked = [
        {"refund": each.stripe_id, "amount_refunded": stripe_minor(each.amount, note.currency)}
        for each in refunds
    ]
    if linked:
        params["refunds"] = linked
    return "/v1/credit_notes", params, lambda: _made("/v1/credit_notes", params, note, step)


def _void(note: CreditNote, step: CreditNoteStep) -> _Request:
    path = f"/v1/credit_notes/{_undone(step)}"

    def done_before() -> StripeObject | None:
        found = stripe_client.get(note.invoice.stripe_account, path)
        return found if found.get("status") == "void" else None

    return f"{path}/void", {}, done_before


def _mark(note: CreditNote, step: CreditNoteStep) -> _Request:
    path, memo = f"/v1/credit_notes/{_undone(step)}", f"{note.number} is void: {note.void_reason}"

    def done_before() -> StripeObject | None:
        found = stripe_client.get(note.invoice.stripe_account, path)
        return found if found.get("memo") == memo else None

    return path, {"memo": memo}, done_before


def _undone(step: CreditNoteStep) -> str:
    """Stripe's id of what the step makes void; read at its turn, after that step was taken."""
    assert step.of is not None
    return step.of.stripe_id


_REQUESTS: dict[str, Callable[[CreditNote, CreditNoteStep], _Request]] = {
    Kind.LOWER: _lower,
    Kind.REFUND: _refund,
    Kind.NOTE: _note,
    Kind.VOID: _void,
    Kind.MARK: _mark,
}


def _common(note: CreditNote, step: CreditNoteStep) -> dict[str, Any]:
    reason = _REASONS.get(CreditNote.Reason(note.reason))
    return {
        "invoice": note.invoice.stripe_invoice_id,
        "memo": f"{note.number}: {note.explanation}",
        # The customer has ours.
        "email_type": "none",
        "metadata": _metadata(note, step),
        **({"reason": reason} if reason else {}),
    }


def _metadata(note: CreditNote, step: CreditNoteStep) -> dict[str, str]:
    return {
        "credit_note_id": str(note.pk),
        "credit_note_number": str(note.number),
        "step_id": str(step.pk),
    }


def _made(
    path: str, params: dict[str, Any], note: CreditNote, step: CreditNoteStep
) -> StripeObject | None:
    """What an earlier try of this step made, among all of the same invoice or payment."""
    names = ("invoice", "charge", "payment_intent")
    query = {name: params[name] for name in names if name in params}
    found = (
        each
        for each in stripe_client.every(note.invoice.stripe_account, path, query)
        if (each.get("metadata") or {}).get("step_id") == str(step.pk)
    )
    return next(found, None)


def _note_refund(
    note: CreditNote, step: CreditNoteStep, made: StripeObject, now: dt.datetime
) -> None:
    settle.note_refund(
        invoice_id=note.invoice_id,
        refund_id=made["id"],
        amount=step.amount,
        status=text(made.get("status")) or "pending",
        charge_id=text(made.get("charge")),
        reason=str(note.number),
        at=now,
        now=now,
        source=f"credit note {note.number}",
    )


def _tell_finance(sync: CreditNoteSync, detail: str, now: dt.datetime) -> None:
    note = sync.credit_note
    notify_finance(
        key=f"credit-note:{note.pk}:refused:{now.isoformat(timespec='seconds')}",
        subject=f"Stripe refuses credit note {note.number}",
        paragraphs=[
            detail,
            "The customer has the document. Put right what Stripe names, then “Try again” under"
            " Waiting work.",
        ],
        facts=[("Credit note", str(note.number)), ("Invoice", note.invoice.number)],
        about=note.invoice,
        now=now,
    )
