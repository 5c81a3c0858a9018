"""Writing the invoices of closed periods, with their items and numbers."""

import datetime as dt
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from django.conf import settings

from billing import months
from billing.models import Workspace
from billing.money import ZERO
from invoices.models import Invoice, InvoiceItem
from invoices.services.closing.numbering import take_numbers
from invoices.services.closing.sums import Closing
from invoices.services.taxing import DocumentTax, amounts_of, freeze_taxes, items_taxed
from usage.queries.meters import meter_as_json


def write_invoices(closings: Iterable[Closing], now: dt.datetime) -> list[Invoice]:
    """An invoice for every period with something to pay; a period without gets none."""
    billed = [closing for closing in closings if closing.is_billed]
    invoices = [_invoice(closing, now) for closing in billed]
    # Foreign keys are checked at the commit: the items, most of the work, come before the numbers,
    # which other closes wait for.
    InvoiceItem.objects.bulk_create(
        [
            item
            for closing, invoice in zip(billed, invoices, strict=True)
            for item in _items(closing, invoice)
        ]
    )
    years = [invoice.issued_on.year for invoice in invoices]
    numbers = take_numbers(issuer=settings.INVOICE_ISSUER, years=years)
    for invoice, number in zip(invoices, numbers, strict=True):
        invoice.number = number
    Invoice.objects.bulk_create(invoices)
    freeze_taxes(
        [
            (invoice, closing.tax)
            for closing, invoice in zip(billed, invoices, strict=True)
            if closing.tax is not None
        ]
    )
    return invoices


def drafted(closing: Closing, now: dt.datetime) -> tuple[Invoice, list[InvoiceItem]]:
    """The invoice of a closing and its items, neither saved nor numbered."""
    invoice = _invoice(closing, now)
    return invoice, _items(closing, invoice)


def write_invoice(invoice: Invoice, items: Sequence[InvoiceItem], tax: DocumentTax | None) -> None:
    """A single one, outside of a close, with its number."""
    (invoice.number,) = take_numbers(issuer=settings.INVOICE_ISSUER, years=[invoice.issued_on.year])
    invoice.save(force_insert=True)
    InvoiceItem.objects.bulk_create(items)
    if tax is not None:
        freeze_taxes([(invoice, tax)])


def _invoice(closing: Closing, now: dt.datetime) -> Invoice:
    return invoice_to(
        closing.period.workspace,
        amounts=closing.amounts,
        tax=closing.tax,
        now=now,
        billing_period=closing.period,
        exact_amount=closing.total,
    )


def invoice_to(
    workspace: Workspace,
    *,
    amounts: Iterable[Decimal],
    tax: DocumentTax | None,
    now: dt.datetime,
    **facts: Any,
) -> Invoice:
    """An invoice whose lines come to `amounts`, on the workspace's terms of today; not saved."""
    terms = workspace.billing_settings
    return Invoice(
        workspace=workspace,
        currency=workspace.currency,
        collection_method=terms.collection_method,
        payment_terms_days=terms.payment_terms_days,
        issued_at=now,
        due_date=due_on(workspace, terms.payment_terms_days, now),
        created_at=now,
        **amounts_of(sum(amounts, ZERO), tax),
        **bill_to(workspace),
        **facts,
    )


def due_on(workspace: Workspace, terms_days: int, issued_at: dt.datetime) -> dt.date:
    """The last day to pay, on the workspace's calendar."""
    return months.local_date(issued_at, workspace.zone) + dt.timedelta(days=terms_days)


def bill_to(workspace: Workspace) -> dict[str, str]:
    """Whom an invoice is addressed to, as of now; frozen with it."""
    return {
        "bill_to_name": workspace.billing_name or workspace.name,
        "bill_to_email": workspace.billing_email,
        "bill_to_address": _address(workspace),
        "bill_to_tax_id": workspace.tax_id,
    }


def _items(closing: Closing, invoice: Invoice) -> list[InvoiceItem]:
    return [
        InvoiceItem(
            invoice=invoice,
            position=position,
            kind=line.kind,
            description=line.description,
            resource_type=line.resource_type,
            usage_month=line.usage_month,
            quantity=line.quantity,
            unit_price=line.unit_price,
            exact_amount=line.exact_amount,
            adjustment=line.adjustment,
            meters=[meter_as_json(meter) for meter in line.meters],
            amount=amount,
            tax_class=line.tax_class,
            manual_item_id=line.manual_item_id,
            **taxed,
        )
        for position, (line, amount, taxed) in enumerate(
            zip(
                closing.lines,
                closing.amounts,
                items_taxed(closing.amounts, closing.tax),
                strict=True,
            ),
            start=1,
        )
    ]


def _address(workspace: Workspace) -> str:
    city = " ".join(
        part
        for part in (
            workspace.address_postal_code,
            workspace.address_city,
            workspace.address_state,
        )
        if part
    )
    parts = (
        workspace.address_line1,
        workspace.address_line2,
        city,
        workspace.address_country,
    )
    return "\n".join(part for part in parts if part)
