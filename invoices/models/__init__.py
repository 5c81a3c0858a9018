from invoices.models.collection import InvoiceAction
from invoices.models.events import InvoiceEvent, InvoiceMovement
from invoices.models.invoices import Invoice, InvoiceItem, InvoiceSequence
from invoices.models.push import InvoicePush, PushStep, StripeCustomer
from invoices.models.reconciliation import Difference, ReconciliationRun
from invoices.models.webhooks import HandledEvent, RetiringWebhookSecret

__all__ = [
    "Difference",
    "HandledEvent",
    "Invoice",
    "InvoiceAction",
    "InvoiceEvent",
    "InvoiceItem",
    "InvoiceMovement",
    "InvoicePush",
    "InvoiceSequence",
    "PushStep",
    "ReconciliationRun",
    "RetiringWebhookSecret",
    "StripeCustomer",
]
