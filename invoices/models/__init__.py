from invoices.models.credit_notes import CreditedRecord, CreditNote, CreditNoteItem, CreditNoteTax
from invoices.models.e_invoices import EInvoice, EInvoiceDelivery
from invoices.models.events import InvoiceEvent
from invoices.models.invoices import Invoice
from invoices.models.items import InvoiceItem, TaxCategory
from invoices.models.payment_methods import PaymentMethod
from invoices.models.sequences import InvoiceSequence
from invoices.models.tax_calculations import TaxCalculation
from invoices.models.taxes import InvoiceTax, TaxDecision
from invoices.models.trials import TrialInvoice

__all__ = [
    "CreditNote",
    "CreditNoteItem",
    "CreditNoteTax",
    "CreditedRecord",
    "EInvoice",
    "EInvoiceDelivery",
    "Invoice",
    "InvoiceEvent",
    "InvoiceItem",
    "InvoiceSequence",
    "InvoiceTax",
    "PaymentMethod",
    "TaxCalculation",
    "TaxCategory",
    "TaxDecision",
    "TrialInvoice",
]
