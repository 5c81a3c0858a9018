"""The pages of payments for staff."""

from invoices.payments.admin import invoices, reconciliation

__all__ = ["invoices", "reconciliation"]
