"""The pages of payments for staff."""

from invoices.payments.admin import credit_notes, invoices, reconciliation, workspaces

__all__ = ["credit_notes", "invoices", "reconciliation", "workspaces"]
