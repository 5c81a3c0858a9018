"""Taking back a payment that was recorded wrongly: the wrong invoice, amount or customer.

It needs no Stripe, as recording it did not. What Stripe was not told of yet it is not told; what it
was told stays there, and is made up for by the next payment (`settle.taking_back`).
"""

import datetime as dt
from contextlib import ExitStack
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from billing.errors import Conflict, Invalid, NotFound
from billing.models import DurableWork, Workspace
from billing.money import ZERO
from invoices.models import CreditNote, Invoice
from invoices.payments.models import Payment, PaymentAllocation, PaymentReversal, ReportedPayment
from invoices.payments.services.receiving import WAYS
from invoices.payments.services.settle.credit import credit_balance, take_back_credit
from invoices.payments.services.settle.taking_back import note_taken_back, open_again
from invoices.services.history import locked_invoice


class CannotTakeBack(Conflict):
    """The payment is not one that was recorded by hand, or its money has gone on since."""

    code = "cannot_take_back"


def take_back_payment(
    *, payment_id: UUID, reason: str, taken_back_by: str, now: dt.datetime
) -> PaymentReversal:
    """All of a payment by hand, once: again it is the same reversal.

    Its invoices are open again, and what was over of it is taken off the customer's credit. Raises
    `NotFound`, `Invalid` without a reason, and `CannotTakeBack`.
    """
    reason = reason.strip()
    if not reason:
        raise Invalid("Say what was wrong.", field="reason", code="required")
    with transaction.atomic(), ExitStack() as locks:
        payment = Payment.objects.filter(pk=payment_id).first()
        if payment is None:
            raise NotFound(f"There is no payment {payment_id}.")
        workspace = Workspace.objects.select_for_update(no_key=True).get(pk=payment.workspace_id)
        known = PaymentReversal.objects.filter(payment=payment).first()
        if known is not None:
            return known
        _require_by_hand(payment)
        payment.refresh_from_db()
        shares = list(payment.allocations.order_by("invoice_id", "created_at"))
        invoices = {
            pk: locks.enter_context(locked_invoice(pk))
            for pk in dict.fromkeys(share.invoice_id for share in shares)
        }
        for invoice in invoices.values():
            _require_not_given_back(invoice)
        on = now.astimezone(workspace.zone).date()
        if payment.amount_to_credit > ZERO:
            _take_back_credit(payment, on=on, reason=reason, by=taken_back_by, now=now)
        _forget_reports(shares, now)
        for invoice in invoices.values():
            open_again(invoice, now=now)
        reversal = PaymentReversal.objects.create(
            workspace=workspace,
            payment=payment,
            reason=reason,
            taken_back_by=taken_back_by[:254],
            on=on,
            created_at=now,
        )
        for share in shares:
            note_taken_back(reversal, share, invoices[share.invoice_id], now=now)
        return reversal


def _require_by_hand(payment: Payment) -> None:
    if payment.way not in WAYS:
        raise CannotTakeBack("What Stripe collected is given back by a refund.")


def _require_not_given_back(invoice: Invoice) -> None:
    gone = Q(to_refund__gt=0) | Q(to_credit__gt=0) | Q(to_out_of_band__gt=0)
    note = CreditNote.objects.filter(gone, invoice=invoice, status="issued").first()
    if note is not None:
        raise CannotTakeBack(
            f"{note.number} has given some of what was paid for {invoice.number} back already."
        )


def _take_back_credit(
    payment: Payment, *, on: dt.date, reason: str, by: str, now: dt.datetime
) -> None:
    left = credit_balance(payment.workspace_id, payment.currency)
    if left < payment.amount_to_credit:
        raise CannotTakeBack(
            f"{payment.amount_to_credit:f} {payment.currency} of it became credit, and only"
            f" {left:f} is left: the rest was used or paid out."
        )
    take_back_credit(payment, on=on, reason=reason, now=now, source=by)


def _forget_reports(shares: list[PaymentAllocation], now: dt.datetime) -> None:
    """What Stripe does not count is not told to it: not asked yet, refused, or not in Stripe."""
    not_in_stripe = Q(invoice__stripe_invoice_id__isnull=True, status=DurableWork.Status.DONE)
    reports = ReportedPayment.objects.select_for_update(of=("self",)).filter(
        DurableWork.UNFINISHED | not_in_stripe, allocation__in=shares, attached_at__isnull=True
    )
    for report in reports:
        waits = report.status == DurableWork.Status.WAITING
        if waits and (report.started_at or report.lease_token):
            continue  # Stripe may have heard of it
        report.status, report.blocked_reason = DurableWork.Status.FAILED, ""
        report.finished_at = now
        report.last_error = "The payment was taken back before Stripe was told of it."
        report.lease_token = report.lease_expires_at = None
        report.save()
