"""An invoice whose payment is taken back: open again here, and perhaps still paid in Stripe.

Stripe does not take a payment record off its invoice again. Where it was told of the payment, it
asks for less than is open: it is ahead, until other money comes that it need not be told of. So it
is where a bank took a payment back for good, and finance asks for it again.
"""

import datetime as dt
from decimal import Decimal

from django.db.models import Exists, OuterRef, QuerySet, Sum

from billing.compiled import CompiledQuery
from billing.formats import money
from billing.models import BillingPeriod, DurableWork
from billing.money import ZERO
from invoices.models import Invoice, InvoiceEvent
from invoices.payments.models import (
    Chargeback,
    PaymentAllocation,
    PaymentReversal,
    ReportedPayment,
)
from invoices.services.history import record

Status = Invoice.Status
# An invoice asked for again after a chargeback, or of which a payment was taken back.
_MAY_BE_AHEAD = CompiledQuery(
    lambda key: Invoice.objects.filter(
        Exists(Chargeback.objects.filter(invoice=OuterRef("pk"), asked_again__gt=0))
        | Exists(
            PaymentAllocation.objects.filter(
                invoice=OuterRef("pk"), payment__reversal__isnull=False
            )
        ),
        pk=key,
    ).only("pk")
)


def stripe_is_ahead(invoice: Invoice) -> Decimal:
    """By how much Stripe counts more as paid outside of it than is; mostly zero."""
    if not _MAY_BE_AHEAD(invoice.pk):
        return ZERO
    return _ahead(invoice, PaymentAllocation.objects.filter(invoice=invoice))


def stripe_was_ahead(share: PaymentAllocation) -> Decimal:
    """As `stripe_is_ahead`, before this share of a payment came."""
    others = PaymentAllocation.objects.filter(invoice=share.invoice).exclude(pk=share.pk)
    return _ahead(share.invoice, others)


def _ahead(invoice: Invoice, shares: QuerySet[PaymentAllocation]) -> Decimal:
    lost = Chargeback.objects.filter(invoice=invoice).aggregate(sum=Sum("asked_again"))["sum"]
    lost = lost or ZERO
    if not lost and not shares.filter(payment__reversal__isnull=False).exists():
        return ZERO
    reports = ReportedPayment.objects.filter(invoice=invoice)
    told = reports.exclude(status=DurableWork.Status.FAILED).aggregate(sum=Sum("amount"))["sum"]
    held = shares.filter(payment__reversal__isnull=True).exclude(payment__way="stripe")
    paid = held.aggregate(sum=Sum("amount"))["sum"] or ZERO
    used = Invoice.objects.values_list("credit_used", flat=True).get(pk=invoice.pk)
    return max((told or ZERO) + lost - paid - used, ZERO)


def open_again(invoice: Invoice, *, now: dt.datetime) -> None:
    """A locked invoice that was paid is not any more; the sums follow in the same transaction."""
    if invoice.status != Status.PAID:
        return
    is_in_stripe = invoice.stripe_invoice_id is not None
    invoice.status, invoice.paid_at = Status.OPEN if is_in_stripe else Status.DRAFT, None
    invoice.save(update_fields=["status", "paid_at", "updated_at"])
    period = invoice.billing_period
    if period is not None and period.status == BillingPeriod.Status.PAID:
        period.status, period.paid_at = BillingPeriod.Status.FINALIZED, None
        period.save(update_fields=["status", "paid_at"])


def is_awaited_again(invoice: Invoice) -> str:
    """The status of an invoice of which more is open than before."""
    if invoice.status not in Invoice.AWAITED:
        return invoice.status
    return Status.PARTLY_PAID if invoice.amount_paid else Status.OPEN


def note_taken_back(
    reversal: PaymentReversal, share: PaymentAllocation, invoice: Invoice, *, now: dt.datetime
) -> None:
    """What the reversal leaves of a locked invoice: its status, and a line of its history."""
    invoice.refresh_from_db(fields=["amount_paid"])
    invoice.status = is_awaited_again(invoice)
    invoice.save(update_fields=["status", "updated_at"])
    payment = reversal.payment
    gone = money(share.amount, invoice.currency)
    left = money(invoice.amount_open, invoice.currency)
    record(
        invoice,
        InvoiceEvent.Kind.PAYMENT_TAKEN_BACK,
        at=now,
        source=reversal.taken_back_by,
        detail=f"{gone} by {payment.get_way_display()} ({payment.reference}) was recorded wrongly:"
        f" {reversal.reason} {left} is open.",
        key=f"taken-back:{share.pk}",
    )
