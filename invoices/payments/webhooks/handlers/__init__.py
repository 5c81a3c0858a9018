"""One function for each kind of event: it translates, and decides nothing.

Local rows only, no request to Stripe. What order makes doubtful is read from Stripe afterwards.
"""

from collections.abc import Callable

from invoices.payments.webhooks.events import Outcome, StripeEvent
from invoices.payments.webhooks.handlers import customers, invoices, payments

HANDLERS: dict[str, Callable[[StripeEvent], Outcome]] = {
    "invoice.finalized": invoices.finalized,
    "invoice.paid": invoices.paid,
    "invoice.payment_succeeded": invoices.paid,
    "invoice.payment_failed": invoices.payment_failed,
    "invoice.finalization_failed": invoices.finalization_failed,
    "invoice.overdue": invoices.overdue,
    "invoice.voided": invoices.voided,
    "invoice.marked_uncollectible": invoices.marked_uncollectible,
    "invoice_payment.paid": payments.invoice_payment_paid,
    "charge.refunded": payments.charge_refunded,
    "charge.refund.updated": payments.refund,
    "refund.created": payments.refund,
    "refund.updated": payments.refund,
    "refund.failed": payments.refund,
    "charge.dispute.created": payments.dispute,
    "charge.dispute.updated": payments.dispute,
    "charge.dispute.closed": payments.dispute,
    "charge.dispute.funds_withdrawn": payments.dispute,
    "charge.dispute.funds_reinstated": payments.dispute,
    "credit_note.created": payments.credit_note,
    "credit_note.updated": payments.credit_note,
    "credit_note.voided": payments.credit_note,
    "payment_method.attached": customers.payment_method_changed,
    "payment_method.automatically_updated": customers.payment_method_changed,
    "payment_method.detached": customers.payment_method_changed,
    "payment_method.updated": customers.payment_method_changed,
    "checkout.session.completed": customers.checkout_completed,
    "customer.deleted": customers.deleted,
    "customer.updated": customers.updated,
    "customer.subscription.deleted": customers.subscription_deleted,
}
# What a webhook endpoint has to be subscribed to.
HANDLED_EVENTS = sorted(HANDLERS)
