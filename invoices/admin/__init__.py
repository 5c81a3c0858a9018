"""The pages of invoices for staff."""

from invoices.admin import invoices, issuers, manual_items, periods, workspaces

__all__ = ["invoices", "issuers", "manual_items", "periods", "workspaces"]
