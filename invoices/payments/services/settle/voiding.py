"""Void: nothing is owed for the invoice, and its usage is billed on a new one, or not at all."""

import datetime as dt
import logging
from typing import Literal
from uuid import UUID

from billing.formats import money
from billing.models import BillingPeriod
from invoices.models import Invoice, InvoiceEvent
from invoices.payments.models import InvoiceAction
from invoices.payments.services import notifications
from invoices.payments.services.settle.credit import return_credit
from invoices.payments.services.settle.transitions import (
    asked_for,
    record_conflict,
    unblock_workspace,
)
from invoices.services.history import locked_invoice, record
from invoices.services.reissuing import CANNOT_REISSUE, leave_unbilled, reissue_invoice
from invoices.services.sales_taxes import asked_if_missing

log = logging.getLogger(__name__)

Kind = InvoiceEvent.Kind
Status = Invoice.Status
OverdueReason = Literal["past_due", "payment_failed"]


def mark_void(
    *, invoice_id: UUID, now: dt.datetime, source: str = "system", with_new_invoice: bool = False
) -> Invoice:
    """Cancelled: nothing is owed for it. A paid invoice stays paid, with a conflict recorded.

    What finance asked for with the void follows in the same transaction: its usage is billed on a
    new invoice, or stays unbilled for the reason given. Voided in Stripe, that is still to decide.
    Where the new invoice cannot be issued yet, what Stripe has voided is void all the same, and
    `follow_void` is tried again; `with_new_invoice`, that is refused with one of `CANNOT_REISSUE`.
    """
    with asked_if_missing(now), locked_invoice(invoice_id) as invoice:
        if invoice.status == Status.VOID:
            return invoice
        if invoice.status == Status.PAID:
            record_conflict(invoice, "It was voided although it is paid.", now, source)
            return invoice
        if invoice.amount_paid or invoice.amount_credited:
            settled = money(invoice.amount_paid + invoice.amount_credited, invoice.currency)
            detail = f"It was voided in Stripe although {settled} of it is paid or credited."
            record_conflict(invoice, detail, now, source)
            return invoice
        return_credit(invoice, now=now, source=source)
        invoice.status = Status.VOID
        invoice.voided_at = now
        invoice.suspends_since = None
        asked = asked_for(invoice, InvoiceAction.Kind.VOID)
        invoice.void_reason = asked.reason if asked else ""
        invoice.save(
            update_fields=["status", "voided_at", "void_reason", "suspends_since", "updated_at"]
        )
        period = invoice.billing_period
        if period is not None and period.status == BillingPeriod.Status.OVERDUE:
            # Overdue says that money is owed, which it no longer is.
            period.status = BillingPeriod.Status.FINALIZED
            period.save(update_fields=["status"])
        record(invoice, Kind.VOIDED, at=now, source=source, detail=invoice.void_reason)
        unblock_workspace(invoice, now, source)
        replacement = None
        try:
            replacement = follow_void(invoice_id=invoice_id, now=now, source=source)
        except CANNOT_REISSUE as error:
            if with_new_invoice:
                raise
            log.warning("%s is void and has no new invoice yet: %s", invoice.number, error)
        notifications.tell_void(invoice, replacement=replacement, now=now)
        return invoice


def follow_void(*, invoice_id: UUID, now: dt.datetime, source: str) -> Invoice | None:
    """Do what finance asked for with the void of an invoice, where that is still to do.

    The new invoice, if there is one now. Raises one of `CANNOT_REISSUE` where it cannot be issued
    yet; what its tax depends on has been asked for then.
    """
    with asked_if_missing(now), locked_invoice(invoice_id) as invoice:
        asked = asked_for(invoice, InvoiceAction.Kind.VOID)
        if asked is None or invoice.replacement is not None or invoice.unbilled_reason:
            return invoice.replacement
        if asked.reissue:
            return reissue_invoice(invoice_id=invoice_id, now=now, source=source)
        leave_unbilled(invoice_id=invoice_id, reason=asked.reason, now=now, source=source)
        return None
