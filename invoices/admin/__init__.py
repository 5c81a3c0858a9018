"""The pages of invoices for staff."""

from invoices.admin import (
    e_invoices,
    invoices,
    issuers,
    manual_items,
    periods,
    tax_calculations,
    workspaces,
)

__all__ = [
    "e_invoices",
    "invoices",
    "issuers",
    "manual_items",
    "periods",
    "tax_calculations",
    "workspaces",
]
