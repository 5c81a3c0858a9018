"""Stripe's own word on an invoice, read when what was heard may be out of date, and taken over."""

import datetime as dt
import logging
from dataclasses import dataclass, field

from billing.stripe_accounts import AccountName
from invoices.models import Invoice
from invoices.payments.services import settle, stripe_client
from invoices.payments.services.payloads import (
    attempt_key,
    find_invoice,
    minor,
    paid_at,
    text,
    time_of,
)
from invoices.payments.services.stripe_client import StripeObject
from invoices.payments.services.stripe_errors import StripeMissing, StripeRefused
from invoices.payments.services.stripe_units import from_stripe_minor

log = logging.getLogger(__name__)

# A payment intent that waits for another payment method has had its attempt declined.
_DECLINED = ("requires_payment_method", "canceled")


@dataclass(frozen=True)
class StripePayment:
    """A payment of an invoice: its payment intent or charge, with the charge's refunds."""

    amount: int
    status: str
    intent: StripeObject = field(default_factory=dict)
    charge: StripeObject = field(default_factory=dict)

    @property
    def was_declined(self) -> bool:
        return self.intent.get("status") in _DECLINED or self.charge.get("status") == "failed"


@dataclass(frozen=True)
class InvoiceState:
    """An invoice as Stripe has it now. `payments` is None where the server cannot tell them."""

    invoice: StripeObject
    payments: list[StripePayment] | None

    @property
    def last_attempt_failed(self) -> bool:
        """Open although a charge was tried; one that is still being processed has not failed."""
        if self.invoice.get("status") != "open" or not self.invoice.get("attempt_count"):
            return False
        if not self.payments:
            return bool(self.invoice.get("attempted"))
        return any(payment.was_declined for payment in self.payments)


def refresh_invoice(account: AccountName, *, stripe_invoice_id: str, now: dt.datetime) -> bool:
    """Read the invoice from Stripe and take its state over; False when it is not one of ours.

    Raises `StripeFailure`. Must not be called inside a transaction.
    """
    try:
        state = read_state(account, stripe_client.get(account, f"/v1/invoices/{stripe_invoice_id}"))
    except StripeMissing:
        log.warning("invoice %s is not in Stripe", stripe_invoice_id)
        return False
    invoice = find_invoice(account, state.invoice)
    if invoice is None:
        log.info("invoice %s is not ours", stripe_invoice_id)
        return False
    apply_state(invoice, state, now=now, source="Stripe, read again")
    return True


def invoice_of_payment(account: AccountName, *, payment_intent_id: str, charge_id: str) -> str:
    """The id of the invoice in Stripe that this payment was for; empty when for none.

    Raises `StripeFailure`.
    """
    try:
        if not payment_intent_id and charge_id:
            charge = stripe_client.get(account, f"/v1/charges/{charge_id}")
            payment_intent_id = text(charge.get("payment_intent"))
            if not payment_intent_id:
                return text(charge.get("invoice"))
        if not payment_intent_id:
            return ""
        payments = stripe_client.get(
            account,
            "/v1/invoice_payments",
            {"payment": {"type": "payment_intent", "payment_intent": payment_intent_id}},
        )
    except StripeRefused as error:
        log.info("payment %s %s: %s", payment_intent_id, charge_id, error)
        return ""
    return next((text(payment.get("invoice")) for payment in payments.get("data") or []), "")


def read_state(account: AccountName, stripe_invoice: StripeObject) -> InvoiceState:
    """The invoice with what has been paid for it. Raises `StripeUnavailable`."""
    if not stripe_invoice.get("attempt_count") and stripe_invoice.get("status") != "paid":
        return InvoiceState(stripe_invoice, [])
    try:
        payments = [
            _read_payment(account, payment)
            for payment in stripe_client.every(
                account, "/v1/invoice_payments", {"invoice": stripe_invoice["id"]}
            )
        ]
    except StripeRefused as error:
        # Not every server that speaks Stripe's API has invoice payments.
        log.info("payments of %s cannot be read: %s", stripe_invoice["id"], error)
        return InvoiceState(stripe_invoice, None)
    return InvoiceState(stripe_invoice, payments)


def apply_state(invoice: Invoice, state: InvoiceState, *, now: dt.datetime, source: str) -> None:
    """Bring our invoice to Stripe's state, as far forward as that goes."""
    found = state.invoice
    status = found.get("status")
    if status not in ("open", "paid", "void", "uncollectible"):
        return
    if invoice.status == Invoice.Status.DRAFT or not invoice.stripe_invoice_id:
        settle.mark_open(
            invoice_id=invoice.pk,
            stripe_invoice_id=found["id"],
            hosted_invoice_url=text(found.get("hosted_invoice_url")),
            now=now,
            source=source,
        )
    if status == "paid":
        settle.note_paid_in_stripe(
            invoice, found, paid_at=paid_at(found, default=now), now=now, source=source
        )
    elif status == "void":
        settle.mark_void(invoice_id=invoice.pk, now=now, source=source)
    elif status == "uncollectible":
        settle.mark_uncollectible(invoice_id=invoice.pk, now=now, source=source)
    elif state.last_attempt_failed:
        settle.note_payment_failure(
            invoice_id=invoice.pk,
            at=now,
            now=now,
            source=source,
            key=attempt_key(found, default=found["id"]),
        )
    for payment in state.payments or []:
        _apply_payment(invoice, payment, now=now, source=source)


def _read_payment(account: AccountName, payment: StripeObject) -> StripePayment:
    paid_with = payment.get("payment") or {}
    intent_id, charge_id = text(paid_with.get("payment_intent")), text(paid_with.get("charge"))
    intent: StripeObject = {}
    charge: StripeObject = {}
    if intent_id:
        intent = stripe_client.get(
            account, f"/v1/payment_intents/{intent_id}", {"expand": ["latest_charge"]}
        )
        latest = intent.get("latest_charge")
        charge = latest if isinstance(latest, dict) else {}
        charge_id = text(latest)
    if charge_id and not charge:
        charge = stripe_client.get(account, f"/v1/charges/{charge_id}")
    return StripePayment(
        amount=minor(payment.get("amount_paid")),
        status=text(payment.get("status")),
        intent=intent,
        charge=charge,
    )


def _apply_payment(
    invoice: Invoice, payment: StripePayment, *, now: dt.datetime, source: str
) -> None:
    if payment.status != "paid":
        return
    charge_id, intent_id = text(payment.charge), text(payment.intent)
    at = time_of(payment.charge.get("created"), default=now)
    if charge_id or intent_id:
        settle.note_payment(
            invoice_id=invoice.pk,
            payment_intent_id=intent_id,
            charge_id=charge_id,
            amount=from_stripe_minor(payment.amount, invoice.currency),
            status="paid",
            at=at,
        )
    if charge_id:
        settle.note_refunded_charge(
            invoice_id=invoice.pk,
            charge_id=charge_id,
            payment_intent_id=intent_id,
            amount=from_stripe_minor(minor(payment.charge.get("amount")), invoice.currency),
            amount_refunded=from_stripe_minor(
                minor(payment.charge.get("amount_refunded")), invoice.currency
            ),
            at=now,
            now=now,
            source=source,
            is_current=True,
        )
