"""Ledger check of the month end: adjustments, totals, lines and invoices, each a step."""

from uuid import UUID

from invoices.services.ledger.adjustments import adjustment_differences
from invoices.services.ledger.e_invoices import e_invoice_differences
from invoices.services.ledger.invoices import invoice_differences
from invoices.services.ledger.items import item_differences
from invoices.services.ledger.reversals import reversal_differences
from invoices.services.ledger.taxes import tax_differences
from invoices.services.ledger.totals import total_differences
from usage.services.ledger import LedgerDifference, Scope

__all__ = [
    "adjustment_differences",
    "close_differences",
    "e_invoice_differences",
    "invoice_differences",
    "item_differences",
    "reversal_differences",
    "tax_differences",
    "total_differences",
]


def close_differences(*, workspace_id: UUID | None = None) -> list[LedgerDifference]:
    """Where anything that a close writes does not agree."""
    scope = Scope(workspace_id)
    finds = (
        adjustment_differences,
        total_differences,
        item_differences,
        invoice_differences,
        tax_differences,
        e_invoice_differences,
        reversal_differences,
    )
    return [difference for find in finds for difference in find(scope)]
