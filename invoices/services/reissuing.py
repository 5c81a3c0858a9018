"""What becomes of the usage that a void invoice billed: a new invoice for it, or a reason for none.

A void invoice's number stays used. Its replacement bills the same period with the same lines and a
number of its own, to whom and on what terms the workspace is billed now.
"""

import datetime as dt
from uuid import UUID

from billing.errors import Conflict
from billing.taxes import TaxReader
from invoices.models import Invoice, InvoiceEvent, InvoiceItem
from invoices.services.closing.issue import invoice_to, write_invoice
from invoices.services.e_invoices import EInvoiceInvalid
from invoices.services.history import locked_invoice, record
from invoices.services.sales_taxes import Calculations, asked_if_missing
from invoices.services.taxing import (
    CannotBeTaxed,
    cannot_be_taxed,
    document_tax,
    items_taxed,
    tax_day,
)
from invoices.signals import invoices_issued

Kind = InvoiceEvent.Kind


class NotVoid(Conflict):
    """Only what a void invoice billed can be billed again."""

    code = "invoice_not_void"


class AlreadyReissued(Conflict):
    """Another invoice bills it already."""

    code = "already_reissued"


# Nothing is wrong with the void: its new invoice waits for an answer, or for somebody's details.
CANNOT_REISSUE = (CannotBeTaxed, EInvoiceInvalid)


def reissue_invoice(*, invoice_id: UUID, now: dt.datetime, source: str) -> Invoice:
    """Bill what a void invoice billed on a new one; again it is the same one.

    Raises `NotVoid`, and one of `CANNOT_REISSUE`.
    """
    with asked_if_missing(now), locked_invoice(invoice_id) as void:
        _require_void(void)
        if void.replacement is not None:
            return void.replacement
        invoice = _copy(void, now)
        if void.unbilled_reason:
            void.unbilled_reason = ""
            void.save(update_fields=["unbilled_reason", "updated_at"])
        period = void.billing_period
        if period is not None and period.stripe_invoice_id is not None:
            # Stripe's invoice of the period is the replacement's, once it is there.
            period.stripe_invoice_id = None
            period.save(update_fields=["stripe_invoice_id"])
        record(void, Kind.REISSUED, at=now, source=source, detail=f"As {invoice.number}.")
        invoices_issued.send(Invoice, invoice_ids=[invoice.pk], now=now)
        return invoice


def leave_unbilled(*, invoice_id: UUID, reason: str, now: dt.datetime, source: str) -> Invoice:
    """Decide that what a void invoice billed stays unbilled, and why; a later reason counts.

    Raises `NotVoid` or `AlreadyReissued`.
    """
    with locked_invoice(invoice_id) as void:
        _require_void(void)
        if void.replacement is not None:
            raise AlreadyReissued(f"{void.replacement.number} bills what {void.number} did.")
        if void.unbilled_reason != reason:
            void.unbilled_reason = reason
            void.save(update_fields=["unbilled_reason", "updated_at"])
            record(void, Kind.LEFT_UNBILLED, at=now, source=source, detail=reason)
        return void


def _require_void(invoice: Invoice) -> None:
    if invoice.status != Invoice.Status.VOID:
        raise NotVoid(f"{invoice.number} is not void: it bills its period as it is.")


def _copy(void: Invoice, now: dt.datetime) -> Invoice:
    """The same lines at the same prices; taxed by what is known of the customer now."""
    workspace = void.workspace
    items = list(void.items.all())
    amounts = [item.amount for item in items]
    with cannot_be_taxed():
        tax = document_tax(
            TaxReader([workspace]),
            Calculations([workspace]),
            workspace,
            void.issuing_entity,
            [(item.amount, item.tax_class) for item in items],
            prices_include_tax=void.prices_include_tax,
            day=tax_day(void),
        )
    invoice = invoice_to(
        workspace,
        amounts=amounts,
        tax=tax,
        now=now,
        issuing_entity=void.issuing_entity,
        kind=void.kind,
        billing_period=void.billing_period,
        corrects=void.corrects,
        replaces=void,
        exact_amount=void.exact_amount,
    )
    for item, taxed in zip(items, items_taxed(amounts, tax), strict=True):
        item.pk = InvoiceItem._meta.pk.get_default()
        item._state.adding = True
        item.invoice = invoice
        for name, value in taxed.items():
            setattr(item, name, value)
    write_invoice(invoice, items, tax)
    return invoice
