"""What has happened to an invoice and what comes next, as a list of dated steps."""

import datetime as dt
from dataclasses import dataclass

from billing.formats import money
from invoices.models import Invoice

_Status = Invoice.Status
_OWED = (_Status.DRAFT, _Status.OPEN, _Status.OVERDUE)


@dataclass(frozen=True)
class Step:
    """`state` is done, bad or next; `at` a time, or a day of the workspace's calendar."""

    state: str
    title: str
    text: str = ""
    at: dt.datetime | None = None
    day: dt.date | None = None


def timeline(invoice: Invoice) -> list[Step]:
    """Oldest first; a step that has not happened yet comes last."""
    steps = [
        Step(
            "done", "Period ended", invoice.billing_period.label, invoice.billing_period.period_end
        ),
        Step("done", "Issued", f"Sent to {invoice.bill_to_email}", invoice.issued_at),
    ]
    if invoice.status == _Status.OVERDUE:
        steps.append(Step("bad", "Overdue", "A payment failed or is missing", day=invoice.due_date))
    elif invoice.status in _OWED:
        automatic = invoice.collection_method == "charge_automatically"
        title = "Payment is collected" if automatic else "Payment due"
        steps.append(Step("next", title, day=invoice.due_date))
    elif invoice.status == _Status.PAID:
        steps.append(Step("done", "Paid", at=invoice.paid_at))
    elif invoice.status == _Status.VOID:
        steps.append(Step("done", "Void", "Nothing is owed for it any more", invoice.voided_at))
    elif invoice.status == _Status.UNCOLLECTIBLE:
        steps.append(Step("bad", "Uncollectible", "Finance no longer expects a payment"))
    if invoice.amount_refunded:
        refunded = money(invoice.amount_refunded, invoice.currency)
        steps.append(Step("done", "Refunded", f"{refunded} was paid back"))
    return steps
