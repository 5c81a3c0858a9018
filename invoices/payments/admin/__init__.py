"""The pages of payments for staff."""

from invoices.payments.admin import invoices, reconciliation, workspaces

__all__ = ["invoices", "reconciliation", "workspaces"]
