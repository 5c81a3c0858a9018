"""Draft, open, overdue, uncollectible and paid; `voiding` is the other end."""

import datetime as dt
import logging
from typing import Literal
from uuid import UUID

from django.conf import settings

from billing.errors import Conflict
from billing.models import BillingPeriod
from billing.services.notifications import notify_finance
from billing.services.suspensions import reactivate_after_payment, suspend_for_payment
from invoices.models import Invoice, InvoiceEvent
from invoices.payments.models import InvoiceAction
from invoices.payments.services import notifications
from invoices.payments.services.settle.received import settle_rest
from invoices.services.history import locked_invoice, record

log = logging.getLogger(__name__)

Kind = InvoiceEvent.Kind
Status = Invoice.Status
OverdueReason = Literal["past_due", "payment_failed"]


class OtherStripeInvoice(Conflict):
    """The invoice is already tied to another invoice in Stripe."""

    code = "other_stripe_invoice"


def mark_open(
    *,
    invoice_id: UUID,
    stripe_invoice_id: str,
    hosted_invoice_url: str,
    now: dt.datetime,
    source: str = "month end",
) -> Invoice:
    """Stripe has finalized it: it is out to be paid. Ties it to its counterpart in Stripe.

    An invoice that is further along (its payment was heard of first) only learns the counterpart.
    Raises `OtherStripeInvoice` when it is tied to a different one.
    """
    with locked_invoice(invoice_id) as invoice:
        _tie(invoice, stripe_invoice_id)
        invoice.hosted_invoice_url = hosted_invoice_url or invoice.hosted_invoice_url
        if invoice.status == Status.DRAFT:
            invoice.status = Status.PARTLY_PAID if invoice.amount_paid else Status.OPEN
            record(invoice, Kind.OPENED, at=now, source=source)
        invoice.save(
            update_fields=["status", "stripe_invoice_id", "hosted_invoice_url", "updated_at"]
        )
        return invoice


def mark_paid(
    *, invoice_id: UUID, paid_at: dt.datetime, now: dt.datetime, source: str = "system"
) -> Invoice:
    """Paid in full: the end. The workspace is active again unless another invoice blocks it.

    Money for a void invoice changes nothing here; it is recorded as a conflict for finance.
    """
    with locked_invoice(invoice_id) as invoice:
        if invoice.status == Status.PAID:
            return invoice
        if invoice.status == Status.VOID:
            record_conflict(invoice, "It was paid although it is void.", now, source)
            return invoice
        settle_rest(invoice, at=paid_at, now=now, source=source)
        invoice.status = Status.PAID
        invoice.paid_at = paid_at
        invoice.suspends_since = None
        invoice.save(update_fields=["status", "paid_at", "suspends_since", "updated_at"])
        if (period := invoice.billing_period) is not None:
            period.status = BillingPeriod.Status.PAID
            period.paid_at = paid_at
            period.save(update_fields=["status", "paid_at"])
        record(invoice, Kind.PAID, at=paid_at, source=source)
        unblock_workspace(invoice, now, source)
        notifications.tell_paid(invoice, now=now)
        return invoice


def mark_overdue(
    *,
    invoice_id: UUID,
    now: dt.datetime,
    reason: OverdueReason,
    source: str = "schedule",
) -> Invoice:
    """Not paid when it should have been; the period is overdue too.

    A failed automatic charge also suspends the workspace, at once where
    `SUSPEND_AFTER_FAILED_CHARGE_DAYS` is 0; otherwise the collection sweep does it after the grace.
    """
    with locked_invoice(invoice_id) as invoice:
        if invoice.status not in (Status.DRAFT, *Invoice.UNPAID):
            return invoice
        became_overdue = invoice.status != Status.OVERDUE
        if became_overdue:
            invoice.status = Status.OVERDUE
            invoice.save(update_fields=["status", "updated_at"])
            _mark_period_overdue(invoice)
            record(invoice, Kind.OVERDUE, at=now, source=source, detail=_OVERDUE_DETAIL[reason])
        blocks_at_once = (
            reason == "payment_failed"
            and invoice.is_charged_automatically
            and settings.SUSPEND_AFTER_FAILED_CHARGE_DAYS == 0
        )
        suspended = blocks_at_once and _block(invoice, now, source)
        if became_overdue:
            notifications.tell_overdue(
                invoice, payment_failed=reason == "payment_failed", suspended=suspended, now=now
            )
        elif suspended:
            notifications.tell_suspended(invoice, now=now)
        return invoice


_OVERDUE_DETAIL: dict[OverdueReason, str] = {
    "past_due": "It was not paid by its due date.",
    "payment_failed": "The payment failed.",
}


def note_payment_failure(
    *,
    invoice_id: UUID,
    at: dt.datetime,
    now: dt.datetime,
    source: str,
    key: str,
    detail: str = "",
) -> Invoice:
    """A charge did not go through: overdue, except where the customer still has time to pay.

    `key` names the attempt. One that is told after the payment only completes the history. An
    invoice that was sent to be paid by hand is not overdue before its due date, however often a
    card is declined on its page.
    """
    with locked_invoice(invoice_id) as invoice:
        record(invoice, Kind.PAYMENT_FAILED, at=at, source=source, detail=detail, key=key)
        if invoice.is_charged_automatically or invoice.is_past_due(now):
            return mark_overdue(
                invoice_id=invoice_id, now=now, reason="payment_failed", source=source
            )
        return invoice


def note_no_payment_method(*, invoice_id: UUID, now: dt.datetime, source: str) -> None:
    """It could not be charged for want of a payment method; told once, unless it is settled."""
    with locked_invoice(invoice_id) as invoice:
        if invoice.status in Invoice.UNPAID:
            record(invoice, Kind.NO_PAYMENT_METHOD, at=now, source=source, key="no-payment-method")


def note_finalization_failure(
    *,
    invoice_id: UUID,
    at: dt.datetime,
    now: dt.datetime,
    source: str,
    key: str,
    detail: str = "",
) -> None:
    """Stripe could not finalize it: nobody can pay it until finance has looked."""
    with locked_invoice(invoice_id) as invoice:
        recorded = record(
            invoice, Kind.FINALIZATION_FAILED, at=at, source=source, detail=detail, key=key
        )
        if recorded:
            notify_finance(
                key=f"finalization-failed:{key}",
                subject=f"Stripe could not finalize invoice {invoice.number}",
                paragraphs=[detail or "Stripe does not say why."],
                about=invoice,
                now=now,
            )


def suspend_workspace(*, invoice_id: UUID, now: dt.datetime, source: str = "schedule") -> bool:
    """Suspend the workspace for this overdue invoice, once; whether it does so now.

    Staff who lift the suspension while the invoice stays unpaid are not overruled: an invoice that
    blocked once does not block anew.
    """
    with locked_invoice(invoice_id) as invoice:
        suspended = _block(invoice, now, source)
        if suspended:
            notifications.tell_suspended(invoice, now=now)
        return suspended


def asked_for(invoice: Invoice, kind: InvoiceAction.Kind) -> InvoiceAction | None:
    """What finance asked for, whoever brings the news of it first: our own request or an event."""
    return (
        invoice.actions.filter(kind=kind)
        .exclude(status=InvoiceAction.Status.FAILED)
        .order_by("-requested_at")
        .first()
    )


def mark_uncollectible(*, invoice_id: UUID, now: dt.datetime, source: str = "system") -> Invoice:
    """Written off, though it may still be paid one day; it blocks the workspace if it did."""
    with locked_invoice(invoice_id) as invoice:
        if invoice.status not in (Status.DRAFT, *Invoice.UNPAID):
            return invoice
        asked = asked_for(invoice, InvoiceAction.Kind.MARK_UNCOLLECTIBLE)
        invoice.status = Status.UNCOLLECTIBLE
        invoice.save(update_fields=["status", "updated_at"])
        _mark_period_overdue(invoice)
        detail = asked.explanation if asked else ""
        record(invoice, Kind.UNCOLLECTIBLE, at=now, source=source, detail=detail)
        return invoice


def _tie(invoice: Invoice, stripe_invoice_id: str) -> None:
    if invoice.stripe_invoice_id not in (None, stripe_invoice_id):
        raise OtherStripeInvoice(
            f"{invoice.number} is {invoice.stripe_invoice_id} in Stripe, not {stripe_invoice_id}."
        )
    invoice.stripe_invoice_id = stripe_invoice_id
    period = invoice.billing_period
    if period is not None and period.stripe_invoice_id != stripe_invoice_id:
        period.stripe_invoice_id = stripe_invoice_id
        period.save(update_fields=["stripe_invoice_id"])


def _mark_period_overdue(invoice: Invoice) -> None:
    period = invoice.billing_period
    if period is not None and period.status != BillingPeriod.Status.OVERDUE:
        period.status = BillingPeriod.Status.OVERDUE
        period.save(update_fields=["status"])


def _block(invoice: Invoice, now: dt.datetime, source: str) -> bool:
    if invoice.status != Status.OVERDUE or invoice.suspends_since is not None:
        return False
    invoice.suspends_since = now
    invoice.save(update_fields=["suspends_since", "updated_at"])
    if not suspend_for_payment(workspace_id=invoice.workspace_id, now=now):
        return False
    record(invoice, Kind.SUSPENDED, at=now, source=source)
    return True


def unblock_workspace(invoice: Invoice, now: dt.datetime, source: str) -> None:
    others = Invoice.objects.filter(
        workspace_id=invoice.workspace_id, suspends_since__isnull=False
    ).exclude(pk=invoice.pk)
    if others.exists():
        return
    if reactivate_after_payment(workspace_id=invoice.workspace_id, now=now):
        record(invoice, Kind.REACTIVATED, at=now, source=source)


def record_conflict(invoice: Invoice, detail: str, now: dt.datetime, source: str) -> None:
    log.error("invoice %s (%s): %s", invoice.number, source, detail)
    recorded = record(
        invoice, Kind.CONFLICT, at=now, source=source, detail=detail, key=f"conflict:{detail}"
    )
    if recorded:
        notifications.tell_finance_of_conflict(invoice, detail=detail, now=now)
