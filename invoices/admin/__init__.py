"""The pages of invoices for staff."""

from invoices.admin import invoices, periods, reconciliation, workspaces

__all__ = ["invoices", "periods", "reconciliation", "workspaces"]
