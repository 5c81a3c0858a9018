"""Writing the invoices of closed periods, with their items and numbers."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from billing import months
from billing.issuers import account_of, freeze, issuer_of, series_of
from billing.models import IssuingEntity, Workspace
from billing.money import ZERO
from invoices.bill_to import bill_to
from invoices.models import Invoice, InvoiceItem
from invoices.services.closing.numbering import take_numbers
from invoices.services.closing.sums import Closing
from invoices.services.e_invoices import Draft, checked_drafts, freeze_e_invoices
from invoices.services.taxing import DocumentTax, amounts_of, freeze_taxes, items_taxed
from usage.queries.meters import meter_as_json


def write_invoices(closings: Iterable[Closing], now: dt.datetime) -> list[Invoice]:
    """An invoice for every period with something to pay; a period without gets none.

    Raises `EInvoiceInvalid`.
    """
    billed = [closing for closing in closings if closing.is_billed]
    invoices = [_invoice(closing, now) for closing in billed]
    # Foreign keys are checked at the commit: the items, most of the work, come before the numbers,
    # which other closes wait for.
    items = [_items(closing, invoice) for closing, invoice in zip(billed, invoices, strict=True)]
    InvoiceItem.objects.bulk_create([item for each in items for item in each])
    drafts = checked_drafts(
        Draft(invoice, each, closing.tax)
        for closing, invoice, each in zip(billed, invoices, items, strict=True)
    )
    _number(invoices)
    Invoice.objects.bulk_create(invoices)
    freeze_taxes(
        [
            (invoice, closing.tax)
            for closing, invoice in zip(billed, invoices, strict=True)
            if closing.tax is not None
        ]
    )
    freeze_e_invoices(drafts, now)
    return invoices


def drafted(closing: Closing, now: dt.datetime) -> tuple[Invoice, list[InvoiceItem]]:
    """The invoice of a closing and its items, neither saved nor numbered."""
    invoice = _invoice(closing, now)
    return invoice, _items(closing, invoice)


def write_invoice(invoice: Invoice, items: Sequence[InvoiceItem], tax: DocumentTax | None) -> None:
    """A single one, outside of a close, with its number. Raises `EInvoiceInvalid`."""
    drafts = checked_drafts([Draft(invoice, items, tax)])
    _number([invoice])
    invoice.save(force_insert=True)
    InvoiceItem.objects.bulk_create(items)
    if tax is not None:
        freeze_taxes([(invoice, tax)])
    freeze_e_invoices(drafts, invoice.issued_at)


def _number(invoices: Sequence[Invoice]) -> None:
    """Give each the next number of its issuer's series, and freeze how its issuer looks.

    Series are locked in their order, so that two closes cannot wait for each other.
    """
    entities = {invoice.issuing_entity_id: invoice.issuing_entity for invoice in invoices}
    letterheads = {key: freeze(issuer_of(entity)) for key, entity in entities.items()}
    by_series: dict[str, list[Invoice]] = defaultdict(list)
    for invoice in invoices:
        invoice.letterhead = letterheads[invoice.issuing_entity_id]
        by_series[series_of(invoice.issuing_entity)].append(invoice)
    for series, members in sorted(by_series.items()):
        years = [invoice.issued_on.year for invoice in members]
        for invoice, number in zip(members, take_numbers(issuer=series, years=years), strict=True):
            invoice.number = number


def _invoice(closing: Closing, now: dt.datetime) -> Invoice:
    return invoice_to(
        closing.period.workspace,
        amounts=closing.amounts,
        tax=closing.tax,
        now=now,
        issuing_entity=closing.period.issuing_entity,
        billing_period=closing.period,
        exact_amount=closing.total,
    )


def invoice_to(
    workspace: Workspace,
    *,
    amounts: Iterable[Decimal],
    tax: DocumentTax | None,
    now: dt.datetime,
    issuing_entity: IssuingEntity | None,
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
        issuing_entity=issuing_entity,
        stripe_account=account_of(issuing_entity),
        language=workspace.language,
        order_number=workspace.order_number,
        custom_fields=custom_fields_of(workspace, issuing_entity),
        **amounts_of(sum(amounts, ZERO), tax),
        **bill_to(workspace),
        **facts,
    )


def custom_fields_of(workspace: Workspace, entity: IssuingEntity | None) -> list[list[str]]:
    """Names and texts, in the issuing entity's order; those that say nothing are left out."""
    names = entity.custom_fields if entity else []
    given = ((name, workspace.custom_fields.get(name, "")) for name in names)
    return [[name, text] for name, text in given if text]


def due_on(workspace: Workspace, terms_days: int, issued_at: dt.datetime) -> dt.date:
    """The last day to pay, on the workspace's calendar."""
    return months.local_date(issued_at, workspace.zone) + dt.timedelta(days=terms_days)


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
