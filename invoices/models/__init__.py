from invoices.models.invoices import Invoice, InvoiceItem, InvoiceSequence

__all__ = ["Invoice", "InvoiceItem", "InvoiceSequence"]
