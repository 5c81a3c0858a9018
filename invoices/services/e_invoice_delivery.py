"""E-invoices on their way to their receivers."""

import datetime as dt
import logging
from collections.abc import Sequence
from uuid import UUID

from django.conf import settings

from billing.services import work
from billing.services.work import WorkKind
from invoices.einvoices.delivery import DocumentRejected, Unavailable, adapter
from invoices.models import EInvoice, EInvoiceDelivery

log = logging.getLogger(__name__)

DELIVERIES = WorkKind(
    EInvoiceDelivery,
    task="invoices.deliver_e_invoice",
    first_wait=dt.timedelta(minutes=2),
    longest_wait=dt.timedelta(hours=2),
    max_attempts=30,
    may_be_given_up=True,
)


def deliver_e_invoice(*, e_invoice_id: UUID, now: dt.datetime) -> bool:
    """Bring it to its receiver, if it is time to; whether it is there now. What the other side has
    already is not sent again."""
    try:
        with DELIVERIES.claimed(e_invoice_id, now) as claim:
            to = adapter()
            if to is None:
                claim.fail("Nothing delivers e-invoices any more: E_INVOICE_DELIVERY is not set.")
                return False
            e_invoice = claim.row.e_invoice
            try:
                reference = to.find(str(e_invoice.pk)) or to.send(e_invoice)
            except DocumentRejected as error:
                claim.block(EInvoiceDelivery.Reason.REFUSED, str(error))
                return False
            except Unavailable as error:
                claim.retry_later(str(error))
                return False
            EInvoiceDelivery.objects.filter(pk=e_invoice_id).update(reference=reference[:300])
            claim.done()
            return True
    except (work.Busy, work.LeaseLost) as error:
        log.info("delivery of e-invoice %s is left for the sweep: %s", e_invoice_id, error)
        return False


def begin_delivery(rows: Sequence[EInvoice], now: dt.datetime) -> None:
    """Rows for the delivery of e-invoices that are being issued; tasks start after the commit."""
    if not settings.E_INVOICE_DELIVERY:
        return
    EInvoiceDelivery.objects.bulk_create(
        EInvoiceDelivery(e_invoice=row, requested_at=now, next_attempt_at=now) for row in rows
    )
    for row in rows:
        DELIVERIES.start(row.pk)
