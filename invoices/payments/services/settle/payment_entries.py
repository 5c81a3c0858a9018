"""Money that moved in Stripe for an invoice: payments, disputes, credit notes (`refunds` apart).

Amounts are in the invoice's currency. Facts arrive in any order and more than once; each is kept
by its id in Stripe, and what the invoice shows is worked out from all that is known.
"""

import datetime as dt
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Q

from billing.formats import money
from invoices.models import Invoice, InvoiceEvent
from invoices.payments.models import PaymentEntry
from invoices.payments.services.settle.received import book_stripe_payment
from invoices.payments.services.settle.transitions import mark_paid
from invoices.services.history import locked_invoice, record

EventKind = InvoiceEvent.Kind
Kind = PaymentEntry.Kind
_ENDED = (Invoice.Status.PAID, Invoice.Status.VOID)
_DISPUTE_IS_OVER = ("won", "lost", "warning_closed")


def note_payment(
    *,
    invoice_id: UUID,
    amount: Decimal,
    status: str,
    at: dt.datetime,
    charge_id: str = "",
    payment_intent_id: str = "",
    source: str = "Stripe",
) -> PaymentEntry:
    """A payment towards the invoice, so that its refunds and disputes can be told to be its own.

    It has a payment intent, a charge, or both; the one may be learnt before the other. What it
    pays of the invoice is booked with it.
    """
    with locked_invoice(invoice_id) as invoice:
        known = payment_of(invoice, charge_id=charge_id, payment_intent_id=payment_intent_id)
        entry, _ = keep_entry(
            invoice,
            Kind.PAYMENT,
            known.stripe_id if known else charge_id or payment_intent_id,
            amount=amount,
            status=status,
            at=at,
            charge_id=charge_id,
            payment_intent_id=payment_intent_id,
        )
        book_stripe_payment(invoice, entry, now=at, source=source)
        if invoice.status not in _ENDED and not invoice.amount_open:
            mark_paid(invoice_id=invoice.pk, paid_at=at, now=at, source=source)
        return entry


def note_dispute(
    *,
    invoice_id: UUID,
    dispute_id: str,
    amount: Decimal,
    status: str,
    at: dt.datetime,
    now: dt.datetime,
    source: str,
    charge_id: str = "",
    reason: str = "",
) -> Invoice:
    """The cardholder's bank takes the payment back, for now or for good."""
    with locked_invoice(invoice_id) as invoice:
        _keep_and_record(
            invoice,
            Kind.DISPUTE,
            dispute_id,
            amount=amount,
            status=status,
            at=at,
            now=now,
            source=source,
            charge_id=charge_id,
            reason=reason,
            final=_DISPUTE_IS_OVER,
        )
        return invoice


def note_credit_note(
    *,
    invoice_id: UUID,
    credit_note_id: str,
    amount: Decimal,
    status: str,
    at: dt.datetime,
    now: dt.datetime,
    source: str,
    reason: str = "",
) -> Invoice:
    """A credit note against the invoice, `issued` or `void`."""
    with locked_invoice(invoice_id) as invoice:
        _keep_and_record(
            invoice,
            Kind.CREDIT_NOTE,
            credit_note_id,
            amount=amount,
            status=status,
            at=at,
            now=now,
            source=source,
            reason=reason,
            final=("void",),
        )
        return invoice


def _keep_and_record(
    invoice: Invoice,
    kind: PaymentEntry.Kind,
    stripe_id: str,
    *,
    amount: Decimal,
    at: dt.datetime,
    now: dt.datetime,
    source: str,
    reason: str,
    **kept: Any,
) -> tuple[str, bool]:
    """Keep the entry and tell each of its states once; what was told, and whether it is new."""
    entry, is_new = keep_entry(
        invoice, kind, stripe_id, amount=amount, at=at, reason=reason, **kept
    )
    said = [money(amount, invoice.currency), _readable(entry.status), _readable(reason)]
    detail = ", ".join(filter(None, said))
    record(
        invoice,
        EventKind(kind),
        at=at if is_new else now,
        source=source,
        detail=detail,
        key=f"{kind}:{stripe_id}:{entry.status}",
    )
    return detail, is_new


def payment_of(invoice: Invoice, *, charge_id: str, payment_intent_id: str) -> PaymentEntry | None:
    named = Q()
    if charge_id:
        named |= Q(charge_id=charge_id)
    if payment_intent_id:
        named |= Q(payment_intent_id=payment_intent_id)
    payments = PaymentEntry.objects.filter(named, invoice=invoice, kind=Kind.PAYMENT)
    return payments.order_by("occurred_at").first() if named else None


def keep_entry(
    invoice: Invoice,
    kind: PaymentEntry.Kind,
    stripe_id: str,
    *,
    amount: Decimal,
    status: str,
    at: dt.datetime,
    charge_id: str = "",
    payment_intent_id: str = "",
    reason: str = "",
    final: tuple[str, ...] = (),
) -> tuple[PaymentEntry, bool]:
    """The stored entry and whether it is new; a status in `final` is not left any more."""
    entry, is_new = PaymentEntry.objects.get_or_create(
        stripe_id=stripe_id,
        defaults={
            "invoice": invoice,
            "kind": kind,
            "amount": amount,
            "status": status[:40],
            "charge_id": charge_id,
            "payment_intent_id": payment_intent_id,
            "reason": reason[:200],
            "occurred_at": at,
        },
    )
    if not is_new:
        if entry.status not in final:
            entry.status = status[:40]
        entry.amount = max(amount, entry.amount_refunded)
        entry.charge_id = charge_id or entry.charge_id
        entry.payment_intent_id = payment_intent_id or entry.payment_intent_id
        entry.reason = reason[:200] or entry.reason
        entry.save(
            update_fields=[
                "status",
                "amount",
                "charge_id",
                "payment_intent_id",
                "reason",
                "updated_at",
            ]
        )
    return entry, is_new


def _readable(value: str) -> str:
    return value.replace("_", " ")
