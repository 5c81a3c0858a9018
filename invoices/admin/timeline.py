"""What happened to an invoice, from its issue on, in one list."""

import datetime as dt
from collections.abc import Iterable
from typing import NamedTuple

from billing.compiled import CompiledQuery
from invoices.models import Invoice, InvoiceEvent

_EVENTS = CompiledQuery(lambda invoice: InvoiceEvent.objects.filter(invoice=invoice))

_TONES = {
    InvoiceEvent.Kind.PAID: "good",
    InvoiceEvent.Kind.REACTIVATED: "good",
    InvoiceEvent.Kind.OVERDUE: "bad",
    InvoiceEvent.Kind.PAYMENT_FAILED: "bad",
    InvoiceEvent.Kind.NO_PAYMENT_METHOD: "bad",
    InvoiceEvent.Kind.SUSPENDED: "bad",
    InvoiceEvent.Kind.DISPUTE: "bad",
    InvoiceEvent.Kind.CONFLICT: "bad",
    InvoiceEvent.Kind.FINALIZATION_FAILED: "bad",
    InvoiceEvent.Kind.REFUND: "warn",
    InvoiceEvent.Kind.CREDIT_NOTE: "warn",
    InvoiceEvent.Kind.UNCOLLECTIBLE: "warn",
}


class HistoryEntry(NamedTuple):
    at: dt.datetime
    written_at: dt.datetime
    title: str
    detail: str
    source: str
    tone: str


def history(invoice: Invoice) -> list[HistoryEntry]:
    """Newest first."""
    issued = f"Number {invoice.number}"
    if invoice.replaces:
        issued += f", in place of {invoice.replaces.number}"
    source = "month end" if invoice.billing_period_id else "by hand"
    return newest_first(
        [
            HistoryEntry(invoice.issued_at, invoice.created_at, "Issued", issued, source, ""),
            *(
                HistoryEntry(
                    event.at,
                    event.created_at,
                    event.get_kind_display(),
                    event.detail,
                    event.source,
                    _TONES.get(InvoiceEvent.Kind(event.kind), ""),
                )
                for event in _EVENTS(invoice.pk)
            ),
        ]
    )


def newest_first(moments: Iterable[HistoryEntry]) -> list[HistoryEntry]:
    """Stripe tells whole seconds: within one, in the order of writing."""
    return sorted(
        moments,
        key=lambda moment: (moment.at.replace(microsecond=0), moment.written_at),
        reverse=True,
    )
