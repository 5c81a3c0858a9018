"""The invoice of its own that lines by hand are billed on: for what it is, or as a correction."""

import datetime as dt
from collections.abc import Sequence
from uuid import UUID

from billing import months
from billing.errors import Conflict, NotFound
from billing.models import ManualItem, Workspace
from billing.money import ZERO
from billing.queries import issuing_entity_at
from billing.taxes import TaxReader
from invoices.models import Invoice, InvoiceItem
from invoices.services.closing.issue import invoice_to, write_invoice
from invoices.services.sales_taxes import Calculations
from invoices.services.taxing import cannot_be_taxed, document_tax, items_taxed, tax_day
from invoices.signals import invoices_issued


class NotCorrectable(Conflict):
    """Nothing can be added to what this invoice asks for."""

    code = "not_correctable"


def issue_one_off(workspace: Workspace, items: Sequence[ManualItem], now: dt.datetime) -> Invoice:
    """The invoice of approved items: its id is theirs, so that there is one."""
    amounts = [item.signed for item in items]
    corrects = items[0].corrects_invoice_id
    corrected = correctable_invoice(workspace, corrects) if corrects else None
    entity = corrected.issuing_entity if corrected else issuing_entity_at(workspace, now)
    with cannot_be_taxed():
        tax = document_tax(
            TaxReader([workspace]),
            Calculations([workspace]),
            workspace,
            entity,
            [(item.signed, item.tax_class) for item in items],
            prices_include_tax=(
                corrected.prices_include_tax
                if corrected
                else workspace.billing_settings.prices_include_tax
            ),
            # What was missing was supplied with the rest.
            day=tax_day(corrected) if corrected else months.local_date(now, workspace.zone),
        )
    invoice = invoice_to(
        workspace,
        amounts=amounts,
        tax=tax,
        now=now,
        issuing_entity=entity,
        id=items[0].one_off_invoice_id,
        kind=Invoice.Kind.CORRECTION if corrected else Invoice.Kind.ONE_OFF,
        corrects=corrected,
        exact_amount=sum(amounts, ZERO),
    )
    lines = [
        InvoiceItem(
            invoice=invoice,
            position=position,
            kind=InvoiceItem.Kind.MANUAL,
            description=item.description,
            quantity=1,
            unit_price=item.signed,
            exact_amount=item.signed,
            amount=item.signed,
            tax_class=item.tax_class,
            manual_item=item,
            **taxed,
        )
        for position, (item, taxed) in enumerate(
            zip(items, items_taxed(amounts, tax), strict=True), start=1
        )
    ]
    write_invoice(invoice, lines, tax)
    for item in items:
        item.status = ManualItem.Status.BILLED
        item.billed_at = now
        item.save(update_fields=["status", "billed_at"])
    invoices_issued.send(Invoice, invoice_ids=[invoice.pk], now=now)
    return invoice


def correctable_invoice(workspace: Workspace, invoice_id: UUID) -> Invoice:
    """The invoice that is corrected. Raises `NotFound`, and `NotCorrectable` for one that asks for
    nothing, or corrects another itself."""
    invoice = (
        Invoice.objects.select_related("billing_period", "issuing_entity")
        .filter(workspace=workspace, pk=invoice_id)
        .first()
    )
    if invoice is None:
        raise NotFound("There is no such invoice.", field="corrects_id")
    invoice.workspace = workspace
    if invoice.status == Invoice.Status.VOID:
        raise NotCorrectable(f"{invoice.number} is void: issue it anew, or an invoice of its own.")
    if invoice.kind == Invoice.Kind.CORRECTION:
        raise NotCorrectable(f"{invoice.number} corrects another invoice: correct that one.")
    if invoice.currency != workspace.currency:
        raise NotCorrectable(f"{invoice.number} is in {invoice.currency}.")
    return invoice
