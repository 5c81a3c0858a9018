"""What the passing of time does to invoices."""

from stripe_sandbox.context import Context
from stripe_sandbox.events import emit


def mark_overdue(ctx: Context) -> None:
    """Tell ``invoice.overdue`` once for each open invoice past its due date."""
    late = [
        invoice
        for invoice in ctx.store.oldest_first("invoice")
        if invoice["status"] == "open"
        and invoice["due_date"] is not None
        and invoice["due_date"] <= ctx.now
        and not invoice.get("_told_overdue")
    ]
    for invoice in late:
        invoice["_told_overdue"] = True
        ctx.store.save(invoice)
        emit(ctx, "invoice.overdue", invoice)
