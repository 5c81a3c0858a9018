"""The totals of frozen e-invoices against the documents they were frozen with."""

from collections.abc import Iterator

from django.db.models import Q

from invoices.einvoices.reading import Totals, Unreadable, totals_of
from invoices.models import EInvoice, Invoice
from usage.services.ledger import LedgerDifference, Scope

_WHAT = "e-invoice and document"


def e_invoice_differences(scope: Scope) -> Iterator[LedgerDifference]:
    """Where the XML says another number, currency, net, tax, gross or amount due than the document
    that was issued with it."""
    kept = EInvoice.objects.select_related("invoice", "credit_note__invoice")
    if scope.workspace_id is not None:
        kept = kept.filter(workspace=scope.workspace_id)
    if scope.period is not None:
        period = scope.period.pk
        kept = kept.filter(
            Q(invoice__billing_period=period) | Q(credit_note__invoice__billing_period=period)
        )
    # Many, and each some kilobytes: not all in memory at once.
    for each in kept.order_by("workspace_id", "created_at", "pk").iterator(chunk_size=500):
        document = each.document
        invoice = document if isinstance(document, Invoice) else document.invoice
        for detail in _flaws(each):
            yield LedgerDifference(
                _WHAT, each.workspace_id, invoice.billing_period_id, f"{each.number} {detail}"
            )


def _flaws(kept: EInvoice) -> Iterator[str]:
    try:
        said = totals_of(kept.xml)
    except Unreadable as error:
        yield f"has an e-invoice that cannot be read: {error}"
        return
    frozen = document_totals(kept)
    for name, theirs, ours in zip(Totals._fields, said, frozen, strict=True):
        if theirs != ours:
            yield f"has {ours} for its {name}, its e-invoice says {theirs}"


def document_totals(kept: EInvoice) -> Totals:
    """What the document's own rows come to; the whole of it is due on the day of issue."""
    document = kept.document
    gross = document.amount if isinstance(document, Invoice) else document.total
    return Totals(kept.number, document.currency, document.net, document.tax, gross, gross)
