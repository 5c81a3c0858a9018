"""Refunds in Stripe: single ones, those of a charge together, and what its invoice shows."""

import datetime as dt
from decimal import Decimal
from uuid import UUID

from django.db.models import Sum
from django.db.models.functions import Coalesce

from billing.formats import money
from billing.money import ZERO
from billing.services.notifications import notify_finance
from invoices.models import Invoice, InvoiceEvent
from invoices.payments.models import PaymentEntry
from invoices.payments.services.settle.payment_entries import keep_entry, payment_of
from invoices.services.history import locked_invoice, record

# A refund in one of these states has given nothing back.
REFUNDS_THAT_CAME_TO_NOTHING = ("failed", "canceled")
EventKind = InvoiceEvent.Kind
Kind = PaymentEntry.Kind


def note_refunded_charge(
    *,
    invoice_id: UUID,
    charge_id: str,
    amount: Decimal,
    amount_refunded: Decimal,
    at: dt.datetime,
    now: dt.datetime,
    source: str,
    payment_intent_id: str = "",
    is_current: bool = False,
) -> Invoice:
    """All that was given back of a charge so far, over all its refunds.

    An event may be older than what is known, so it only ever raises the sum; `is_current` says that
    the charge was just read from Stripe, where a failed refund lowers it again.
    """
    with locked_invoice(invoice_id) as invoice:
        payment = payment_of(invoice, charge_id=charge_id, payment_intent_id=payment_intent_id)
        if payment is None:
            payment, _ = keep_entry(
                invoice,
                Kind.PAYMENT,
                charge_id,
                amount=amount,
                status="succeeded",
                at=at,
                charge_id=charge_id,
                payment_intent_id=payment_intent_id,
            )
        refunded = min(
            amount_refunded if is_current else max(amount_refunded, payment.amount_refunded),
            payment.amount,
        )
        if refunded != payment.amount_refunded:
            payment.amount_refunded = refunded
            payment.save(update_fields=["amount_refunded", "updated_at"])
        _update_refunded(invoice, at=at, now=now, source=source)
        return invoice


def note_refund(
    *,
    invoice_id: UUID,
    refund_id: str,
    amount: Decimal,
    status: str,
    at: dt.datetime,
    now: dt.datetime,
    source: str,
    charge_id: str = "",
    reason: str = "",
) -> Invoice:
    """One refund in its present state; one that failed or was cancelled no longer counts."""
    with locked_invoice(invoice_id) as invoice:
        entry, _ = keep_entry(
            invoice,
            Kind.REFUND,
            refund_id,
            amount=amount,
            status=status,
            at=at,
            charge_id=charge_id,
            reason=reason,
            final=REFUNDS_THAT_CAME_TO_NOTHING,
        )
        if entry.status in REFUNDS_THAT_CAME_TO_NOTHING:
            text = f"A refund of {money(amount, invoice.currency)} {entry.status}."
            key = f"refund:{refund_id}:{entry.status}"
            if record(invoice, EventKind.REFUND, at=now, source=source, detail=text, key=key):
                notify_finance(
                    key=key,
                    subject=f"A refund of invoice {invoice.number} {entry.status}",
                    paragraphs=[text, "The customer does not have it: send it another way."],
                    facts=[("Invoice", invoice.number), ("Refund", refund_id)],
                    about=invoice,
                    now=now,
                )
        _update_refunded(invoice, at=at, now=now, source=source)
        return invoice


def _update_refunded(invoice: Invoice, *, at: dt.datetime, now: dt.datetime, source: str) -> None:
    """What the invoice shows as refunded: by its charges or its refunds, whichever knows more.

    A charge's running total and its single refunds arrive as separate events in any order, so
    either may lag behind the other.
    """
    payment_entries = PaymentEntry.objects.filter(invoice=invoice)
    by_charge = payment_entries.filter(kind=Kind.PAYMENT).aggregate(
        total=Coalesce(Sum("amount_refunded"), ZERO)
    )["total"]
    by_refund = (
        payment_entries.filter(kind=Kind.REFUND)
        .exclude(status__in=REFUNDS_THAT_CAME_TO_NOTHING)
        .aggregate(total=Coalesce(Sum("amount"), ZERO))["total"]
    )
    refunded = min(max(by_charge, by_refund), invoice.amount_charged)
    if refunded == invoice.amount_refunded:
        return
    grew = refunded > invoice.amount_refunded
    invoice.amount_refunded = refunded
    invoice.save(update_fields=["amount_refunded", "updated_at"])
    record(
        invoice,
        EventKind.REFUND,
        at=at if grew else now,
        source=source,
        detail=f"{money(refunded, invoice.currency)} of "
        f"{money(invoice.amount_charged, invoice.currency)} refunded in all.",
    )
