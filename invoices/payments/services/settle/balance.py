"""What is too small to be charged, and goes onto the customer's balance in Stripe instead.

Stripe calls an invoice below its least charge paid, charges nothing, and adds it to the amount due
of the customer's next invoice. Here it stays open, marked as carried over, until that one is paid.
https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts
"""

import datetime as dt
from decimal import Decimal
from typing import Any
from uuid import UUID

from billing.formats import money
from billing.money import ZERO
from invoices.models import Invoice, InvoiceEvent
from invoices.payments.services import notifications
from invoices.payments.services.settle.taking_back import stripe_is_ahead
from invoices.payments.services.settle.transitions import mark_paid
from invoices.payments.services.stripe_units import from_stripe_minor
from invoices.services.history import locked_invoice, record


def carried_over(stripe_invoice: dict[str, Any], currency: str) -> Decimal:
    """What of the invoice went onto the customer's balance, uncharged; zero for any other."""
    ending, total = stripe_invoice.get("ending_balance"), stripe_invoice.get("total")
    if (
        stripe_invoice.get("status") != "paid"
        or stripe_invoice.get("amount_due") != 0
        or stripe_invoice.get("amount_paid")
        or not isinstance(ending, int)
        or not isinstance(total, int)
    ):
        return ZERO
    return from_stripe_minor(max(0, min(total, ending)), currency)


def carried_in(stripe_invoice: dict[str, Any], currency: str) -> Decimal:
    """What is charged with the invoice for earlier ones that were too small by themselves."""
    starting, due = stripe_invoice.get("starting_balance"), stripe_invoice.get("amount_due")
    if not isinstance(starting, int) or starting <= 0 or not due:
        return ZERO
    return from_stripe_minor(starting, currency)


def note_paid_in_stripe(
    invoice: Invoice,
    stripe_invoice: dict[str, Any],
    *,
    paid_at: dt.datetime,
    now: dt.datetime,
    source: str,
) -> None:
    """Stripe calls it paid: it is, or it is carried over to the next invoice."""
    carried = carried_over(stripe_invoice, invoice.currency)
    if carried and invoice.status != Invoice.Status.PAID:
        mark_carried_over(invoice_id=invoice.pk, amount=carried, now=now, source=source)
        return
    if stripe_is_ahead(invoice):
        return  # Stripe counts a payment that was taken back; charges are booked by themselves
    note_carried_in(invoice_id=invoice.pk, amount=carried_in(stripe_invoice, invoice.currency))
    mark_paid(invoice_id=invoice.pk, paid_at=paid_at, now=now, source=source)
    _mark_carried_paid(invoice.pk, paid_at=paid_at, now=now)


def mark_carried_over(
    *, invoice_id: UUID, amount: Decimal, now: dt.datetime, source: str
) -> Invoice:
    """Too small to be charged by itself: nobody is reminded of it, and it stays open."""
    with locked_invoice(invoice_id) as invoice:
        if invoice.status != Invoice.Status.OPEN or invoice.carried_over == amount:
            return invoice
        invoice.carried_over = amount
        invoice.save(update_fields=["carried_over", "updated_at"])
        record(
            invoice,
            InvoiceEvent.Kind.CARRIED_OVER,
            at=now,
            source=source,
            detail=f"{money(amount, invoice.currency)} is charged with the next invoice.",
            key="carried-over",
        )
        notifications.tell_carried_over(invoice, now=now)
        return invoice


def note_carried_in(*, invoice_id: UUID, amount: Decimal) -> None:
    """What Stripe charges with this invoice beyond its own amount."""
    Invoice.objects.filter(pk=invoice_id).exclude(carried_in=amount).update(carried_in=amount)


def _mark_carried_paid(invoice_id: UUID, *, paid_at: dt.datetime, now: dt.datetime) -> None:
    payer = Invoice.objects.get(pk=invoice_id)
    if not payer.carried_in or payer.status != Invoice.Status.PAID:
        return
    carried = Invoice.objects.filter(
        workspace_id=payer.workspace_id,
        status=Invoice.Status.OPEN,
        carried_over__gt=0,
        issued_at__lte=payer.issued_at,
    )
    for other_id in carried.order_by("issued_at").values_list("pk", flat=True):
        mark_paid(invoice_id=other_id, paid_at=paid_at, now=now, source=f"paid with {payer.number}")
