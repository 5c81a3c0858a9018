from invoices.models.events import InvoiceEvent
from invoices.models.invoices import Invoice, InvoiceItem, InvoiceSequence
from invoices.models.payment_methods import PaymentMethod

__all__ = ["Invoice", "InvoiceEvent", "InvoiceItem", "InvoiceSequence", "PaymentMethod"]
