"""What happened to an invoice, from its issue on, in one list."""

import datetime as dt
from typing import NamedTuple

from invoices.models import Invoice, InvoiceAction, InvoiceEvent, InvoicePush

_TONES = {
    InvoiceEvent.Kind.PAID: "good",
    InvoiceEvent.Kind.REACTIVATED: "good",
    InvoiceEvent.Kind.OVERDUE: "bad",
    InvoiceEvent.Kind.PAYMENT_FAILED: "bad",
    InvoiceEvent.Kind.SUSPENDED: "bad",
    InvoiceEvent.Kind.DISPUTE: "bad",
    InvoiceEvent.Kind.CONFLICT: "bad",
    InvoiceEvent.Kind.FINALIZATION_FAILED: "bad",
    InvoiceEvent.Kind.REFUND: "warn",
    InvoiceEvent.Kind.CREDIT_NOTE: "warn",
    InvoiceEvent.Kind.UNCOLLECTIBLE: "warn",
}


class Moment(NamedTuple):
    at: dt.datetime
    title: str
    detail: str
    source: str
    tone: str


def history(invoice: Invoice) -> list[Moment]:
    """Newest first."""
    moments = [
        Moment(invoice.issued_at, "Issued", f"Number {invoice.number}", "month end", ""),
        *(
            Moment(
                event.at,
                event.get_kind_display(),
                event.detail,
                event.source,
                _TONES.get(InvoiceEvent.Kind(event.kind), ""),
            )
            for event in invoice.events.all()
        ),
        *(_asked(action) for action in invoice.actions.select_related("actor")),
    ]
    return sorted(moments, key=lambda moment: moment.at, reverse=True)


def _asked(action: InvoiceAction) -> Moment:
    outcome = {
        InvoiceAction.Status.PENDING: "Waiting for Stripe",
        InvoiceAction.Status.DONE: "Done",
        InvoiceAction.Status.REFUSED: "Refused",
    }[InvoiceAction.Status(action.status)]
    detail = f"{outcome}: {action.last_error}" if action.last_error else outcome
    return Moment(
        action.requested_at,
        f"Asked for: {action.get_kind_display()}",
        detail,
        str(action.actor or "system"),
        "bad" if action.status == InvoiceAction.Status.REFUSED else "",
    )


def push_of(invoice: Invoice) -> InvoicePush | None:
    """None while its push has not begun."""
    return getattr(invoice, "push", None)
