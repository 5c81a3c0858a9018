"""Events about money: payments, refunds, disputes and credit notes of an invoice.

A charge does not name its invoice. Payments of our invoices are kept, so the invoice is found by
the charge or its payment intent; where that is not known yet, Stripe is asked after the commit.
"""

import datetime as dt
from decimal import Decimal
from typing import TypedDict
from uuid import UUID

from invoices.models import Invoice
from invoices.payments.services import settle
from invoices.payments.services.chargebacks import note_chargeback
from invoices.payments.services.payloads import (
    find_invoice,
    find_paid_invoice,
    id_in_metadata,
    minor,
    text,
    time_of,
)
from invoices.payments.services.stripe_units import from_stripe_minor
from invoices.payments.webhooks.events import Outcome, StripeEvent


def invoice_payment_paid(event: StripeEvent) -> Outcome:
    """Which payment intent, or charge, paid an invoice."""
    stripe_invoice_id = text(event.object.get("invoice"))
    invoice = find_invoice(event.account, {"id": stripe_invoice_id})
    if invoice is None:
        return Outcome(f"invoice {stripe_invoice_id} is not ours")
    payment = event.object.get("payment")
    payment = payment if isinstance(payment, dict) else {}
    intent, charge = text(payment.get("payment_intent")), text(payment.get("charge"))
    if intent or charge:
        settle.note_payment(
            invoice_id=invoice.pk,
            payment_intent_id=intent,
            charge_id=charge,
            amount=from_stripe_minor(minor(event.object.get("amount_paid")), invoice.currency),
            status="paid",
            at=event.created,
        )
    return Outcome(f"{invoice.number}: a payment")


def charge_refunded(event: StripeEvent) -> Outcome:
    charge = event.object
    charge_id, intent = text(charge.get("id")), text(charge.get("payment_intent"))
    invoice = _invoice_of_charge(event, charge_id)
    if invoice is None:
        return _unknown_payment(charge_id)
    settle.note_refunded_charge(
        invoice_id=invoice.pk,
        charge_id=charge_id,
        payment_intent_id=intent,
        amount=from_stripe_minor(minor(charge.get("amount")), invoice.currency),
        amount_refunded=from_stripe_minor(minor(charge.get("amount_refunded")), invoice.currency),
        at=event.created,
        now=event.now,
        source=event.source,
    )
    return _known_payment(invoice, "refunded")


def refund(event: StripeEvent) -> Outcome:
    invoice = _invoice_of_charge(event, text(event.object.get("charge")))
    if invoice is None:
        return _unknown_payment(text(event.object.get("charge")))
    status = text(event.object.get("status")) or "pending"
    settle.note_refund(
        refund_id=text(event.object.get("id")) or event.id,
        status="failed" if event.type == "refund.failed" else status,
        **_of_charge(event, invoice),
    )
    return _known_payment(invoice, f"refund {status}")


def dispute(event: StripeEvent) -> Outcome:
    invoice = _invoice_of_charge(event, text(event.object.get("charge")))
    if invoice is None:
        return _unknown_payment(text(event.object.get("charge")))
    status = text(event.object.get("status")) or "needs_response"
    settle.note_dispute(
        dispute_id=text(event.object.get("id")) or event.id,
        status=status,
        **_of_charge(event, invoice),
    )
    due_by = (event.object.get("evidence_details") or {}).get("due_by")
    note_chargeback(
        invoice_id=invoice.pk,
        stripe_id=text(event.object.get("id")) or event.id,
        amount=from_stripe_minor(minor(event.object.get("amount")), invoice.currency),
        status=status,
        reason=text(event.object.get("reason")),
        charge_id=text(event.object.get("charge")),
        due_by=time_of(due_by, default=event.created) if due_by else None,
        opened_at=time_of(event.object.get("created"), default=event.created),
        now=event.now,
    )
    return _known_payment(invoice, f"dispute {status}")


def credit_note(event: StripeEvent) -> Outcome:
    thing = event.object
    stripe_invoice_id = text(thing.get("invoice"))
    invoice = find_invoice(event.account, {"id": stripe_invoice_id})
    if invoice is None:
        return Outcome(f"invoice {stripe_invoice_id} is not ours")
    if id_in_metadata(thing, "credit_note_id") is not None:
        return Outcome(f"{invoice.number}: our own credit note")
    settle.note_credit_note(
        invoice_id=invoice.pk,
        credit_note_id=text(thing.get("id")) or event.id,
        amount=from_stripe_minor(
            minor(thing.get("total")) or minor(thing.get("amount")), invoice.currency
        ),
        status="void"
        if event.type == "credit_note.voided"
        else text(thing.get("status")) or "issued",
        reason=text(thing.get("reason")),
        at=time_of(thing.get("created"), default=event.created),
        now=event.now,
        source=event.source,
    )
    return Outcome(f"{invoice.number}: credit note", stripe_invoice_id=stripe_invoice_id)


class _OfCharge(TypedDict):
    invoice_id: UUID
    charge_id: str
    amount: Decimal
    reason: str
    at: dt.datetime
    now: dt.datetime
    source: str


def _of_charge(event: StripeEvent, invoice: Invoice) -> _OfCharge:
    """What refunds and disputes say alike of the charge they take from."""
    thing = event.object
    return {
        "invoice_id": invoice.pk,
        "charge_id": text(thing.get("charge")),
        "amount": from_stripe_minor(minor(thing.get("amount")), invoice.currency),
        "reason": text(thing.get("reason")),
        "at": time_of(thing.get("created"), default=event.created),
        "now": event.now,
        "source": event.source,
    }


def _invoice_of_charge(event: StripeEvent, charge_id: str) -> Invoice | None:
    """By the payment; older API versions name the invoice itself."""
    intent = text(event.object.get("payment_intent"))
    paid = find_paid_invoice(event.account, charge_id=charge_id, payment_intent_id=intent)
    return paid or find_invoice(event.account, {"id": text(event.object.get("invoice"))})


def _known_payment(invoice: Invoice, what: str) -> Outcome:
    return Outcome(f"{invoice.number}: {what}", stripe_invoice_id=invoice.stripe_invoice_id or "")


def _unknown_payment(charge_id: str) -> Outcome:
    return Outcome(f"charge {charge_id} is not known to be ours", look_up_payment=True)
