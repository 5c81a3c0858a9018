"""An invoice locked in the order in which everything locks, and the lines of its history."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from django.db import transaction

from billing.errors import NotFound
from billing.models import BillingPeriod, Workspace
from invoices.models import Invoice, InvoiceEvent


@contextmanager
def locked_invoice(invoice_id: UUID) -> Iterator[Invoice]:
    """The invoice inside a transaction; its workspace, its period and itself locked, in order.

    Raises `NotFound` for an unknown id.
    """
    with transaction.atomic():
        owners = (
            Invoice.objects.filter(pk=invoice_id)
            .values_list("workspace_id", "billing_period_id")
            .first()
        )
        if owners is None:
            raise NotFound(f"There is no invoice {invoice_id}.")
        workspace = Workspace.objects.select_for_update(no_key=True).get(pk=owners[0])
        period = None
        if owners[1] is not None:
            period = BillingPeriod.objects.select_for_update(no_key=True).get(pk=owners[1])
            period.workspace = workspace
        invoice = Invoice.objects.select_for_update(no_key=True).get(pk=invoice_id)
        invoice.workspace = workspace
        invoice.billing_period = period
        yield invoice


def record(
    invoice: Invoice,
    kind: InvoiceEvent.Kind,
    *,
    at: dt.datetime,
    source: str,
    detail: str = "",
    key: str = "",
) -> bool:
    """Add a line to the invoice's history; False when one with this `key` is there already.

    The invoice must be locked: that is what makes looking first safe.
    """
    if key and InvoiceEvent.objects.filter(invoice=invoice, key=key).exists():
        return False
    InvoiceEvent.objects.create(
        invoice=invoice, kind=kind, at=at, source=source[:200], detail=detail, key=key
    )
    return True
