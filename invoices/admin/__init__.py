"""The pages of invoices for staff."""

from invoices.admin import invoices, manual_items, periods, workspaces

__all__ = ["invoices", "manual_items", "periods", "workspaces"]
