"""The pages of payments for staff."""

from invoices.payments.admin import (
    call_disputes,
    chargebacks,
    credit_notes,
    invoices,
    reconciliation,
    workspaces,
)

__all__ = [
    "call_disputes",
    "chargebacks",
    "credit_notes",
    "invoices",
    "reconciliation",
    "workspaces",
]
