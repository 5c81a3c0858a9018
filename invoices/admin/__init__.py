"""The pages of invoices for staff."""

from invoices.admin import invoices, periods, reconciliation

__all__ = ["invoices", "periods", "reconciliation"]
