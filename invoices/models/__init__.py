from invoices.models.events import InvoiceEvent
from invoices.models.invoices import Invoice, InvoiceItem, InvoiceSequence

__all__ = ["Invoice", "InvoiceEvent", "InvoiceItem", "InvoiceSequence"]
