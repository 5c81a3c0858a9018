"""The pages of invoices for staff."""

from invoices.admin import invoices, periods, workspaces

__all__ = ["invoices", "periods", "workspaces"]
