"""Deciding on a chargeback that is lost: its invoice is asked for again, or it is written off.

Stripe's invoice stays paid: it charges nothing, and is ahead of ours by what is asked for again
(`settle.taking_back`). So the money comes another way, and is recorded by hand.
"""

import datetime as dt
from uuid import UUID

from billing.errors import Conflict, Invalid, NotFound
from billing.formats import money
from invoices.models import Invoice, InvoiceEvent
from invoices.payments.models import Chargeback
from invoices.payments.services import notifications
from invoices.payments.services.second_person import agree_or_ask, confirmable
from invoices.payments.services.settle.taking_back import is_awaited_again, open_again
from invoices.services.history import locked_invoice, record

Decision = Chargeback.Decision


class NothingToDecide(Conflict):
    """It is not lost, was decided otherwise, or nothing of it is paid any more."""

    code = "nothing_to_decide"


def decide_chargeback(
    *, chargeback_id: UUID, decision: str, reason: str, by: str, now: dt.datetime
) -> Chargeback:
    """Ask for a lost chargeback's money again, or write it off; again changes nothing.

    What its invoice is asked for again is reminded of and overdue as any that is open. Above
    `SECOND_PERSON_ABOVE` the first decision waits for somebody else who decides the same. Raises
    `NotFound`, `Invalid` and `NothingToDecide`.
    """
    reason = reason.strip()[:500]
    if decision not in Decision.values:
        raise Invalid("There is no such decision.", field="decision")
    if not reason:
        raise Invalid("Say why.", field="reason", code="required")
    owner = Chargeback.objects.filter(pk=chargeback_id).values_list("invoice", flat=True).first()
    if owner is None:
        raise NotFound(f"There is no chargeback {chargeback_id}.")
    with locked_invoice(owner) as invoice:
        chargeback = Chargeback.objects.select_for_update().get(pk=chargeback_id)
        chargeback.invoice = invoice
        if chargeback.decision == decision:
            return chargeback
        if not chargeback.needs_decision:
            raise NothingToDecide(f"{chargeback} does not wait for a decision.")
        _require_decidable(invoice, decision)
        if not agree_or_ask(
            chargeback,
            invoice,
            amount=chargeback.amount,
            decision=decision,
            reason=reason,
            by=by,
            now=now,
        ):
            return chargeback
        chargeback.decision, chargeback.decision_reason = decision, reason
        chargeback.decided_by, chargeback.decided_at = by[:254], now
        if decision == Decision.ASK_AGAIN:
            _ask_again(chargeback, invoice, now)
        chargeback.save(
            update_fields=[
                "decision",
                "decision_reason",
                "decided_by",
                "decided_at",
                "asked_again",
            ]
        )
        _note(chargeback, invoice, now)
        return chargeback


def confirm_decision(*, chargeback_id: UUID, by: str, now: dt.datetime) -> Chargeback:
    """Decide on it as somebody else has asked for.

    Raises `NotFound`, `NothingAwaited`, `SecondPersonNeeded` and `NothingToDecide`.
    """
    chargeback = Chargeback.objects.filter(pk=chargeback_id).first()
    if chargeback is None:
        raise NotFound(f"There is no chargeback {chargeback_id}.")
    with locked_invoice(chargeback.invoice_id):
        asked = confirmable(chargeback, by=by)
        return decide_chargeback(
            chargeback_id=chargeback_id,
            decision=asked.decision,
            reason=asked.reason,
            by=by,
            now=now,
        )


def _require_decidable(invoice: Invoice, decision: str) -> None:
    is_paid = invoice.status != Invoice.Status.VOID and invoice.amount_paid
    if decision == Decision.ASK_AGAIN and not is_paid:
        raise NothingToDecide(f"Nothing of {invoice.number} is paid: write the loss off.")


def _ask_again(chargeback: Chargeback, invoice: Invoice, now: dt.datetime) -> None:
    chargeback.asked_again = min(chargeback.amount, invoice.amount_paid)
    # Stripe's page calls it paid: nobody is sent there.
    invoice.hosted_invoice_url = ""
    invoice.save(update_fields=["hosted_invoice_url", "updated_at"])
    open_again(invoice, now=now)


def _note(chargeback: Chargeback, invoice: Invoice, now: dt.datetime) -> None:
    said, over = "is written off", chargeback.amount
    if chargeback.asked_again:
        said, over = "is open again", chargeback.asked_again
        invoice.refresh_from_db(fields=["amount_paid"])
        invoice.status = is_awaited_again(invoice)
        invoice.save(update_fields=["status", "updated_at"])
    record(
        invoice,
        InvoiceEvent.Kind.DISPUTE,
        at=now,
        source=chargeback.decided_by,
        detail=f"{money(over, invoice.currency)} was charged back for good, and {said}:"
        f" {chargeback.decision_reason}",
        key=f"chargeback-decided:{chargeback.pk}",
    )
    if chargeback.asked_again:
        notifications.tell_open_again(
            invoice, amount=chargeback.asked_again, key=str(chargeback.pk), now=now
        )
