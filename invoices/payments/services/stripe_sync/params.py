"""What Stripe is sent for an invoice: exact by construction, since every line is an amount.

Lines carry whole minor units; quantity and price are words in the description and exact decimals
in the metadata, so that Stripe never multiplies or rounds.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from billing.formats import money
from billing.money import exponent, without_exponent
from invoices.models import Invoice, InvoiceItem, InvoiceTax
from invoices.payments.services.stripe_units import stripe_minor

# https://docs.stripe.com/api/invoiceitems/create: "up to 250 items per invoice".
MAX_LINES = 250
OTHER = "other"


@dataclass(frozen=True)
class StripeLine:
    """One line in Stripe.

    `subject` is our item's id, `tax:` and the position of a tax, or `OTHER` for what was combined.
    """

    subject: str
    description: str
    amount_minor: int
    metadata: dict[str, str]


def lines_of(
    invoice: Invoice, items: Sequence[InvoiceItem], taxes: Sequence[InvoiceTax] = ()
) -> list[StripeLine]:
    """Every item as a line; of more than Stripe takes, the smallest usage ones as a single line.

    Only what Stripe shows is shortened: our own invoice keeps them all, and the totals are equal.
    Tax that is added to the prices follows as lines of its own, so that Stripe works out none.
    """
    added = [] if invoice.prices_include_tax else [tax for tax in taxes if tax.tax]
    folded = _to_fold(items, MAX_LINES - len(added))
    lines = [_line(invoice, item) for item in items if item.pk not in folded]
    if folded:
        lines.append(_combined(invoice, [item for item in items if item.pk in folded]))
    return lines + [_tax_line(invoice, tax) for tax in added]


def draft_params(
    invoice: Invoice, *, customer_id: str, number: str, build: int, now: dt.datetime
) -> dict[str, Any]:
    """A draft that nothing but our own requests fills, finalizes or charges.

    `number` is ours, so that the mail, the paper and Stripe's page name the same one.
    """
    params: dict[str, Any] = {
        "customer": customer_id,
        "auto_advance": False,
        "pending_invoice_items_behavior": "exclude",
        "collection_method": invoice.collection_method,
        "currency": invoice.currency.lower(),
        "number": number,
        "description": f"{invoice.number} · {invoice.label}",
        "metadata": {
            "invoice_id": str(invoice.pk),
            "invoice_number": invoice.number,
            "workspace_id": str(invoice.workspace_id),
            **(
                {"billing_period": str(invoice.billing_period_id)}
                if invoice.billing_period_id
                else {}
            ),
            "build": str(build),
        },
    }
    texts = dict.fromkeys(tax.text for tax in invoice.taxes.all() if tax.text)
    if invoice.prices_include_tax and invoice.tax:
        texts[f"The total includes {money(invoice.tax, invoice.currency)} of tax."] = None
    if texts:
        params["footer"] = "\n".join(texts)
    if invoice.collection_method == "send_invoice":
        # Days rather than a date: one that has passed by the time of the sync is refused.
        today = now.astimezone(invoice.workspace.zone).date()
        params["days_until_due"] = max(0, (invoice.due_date - today).days)
    return params


def item_params(
    invoice: Invoice, line: StripeLine, *, customer_id: str, stripe_invoice_id: str
) -> dict[str, Any]:
    return {
        "customer": customer_id,
        "invoice": stripe_invoice_id,
        "currency": invoice.currency.lower(),
        "amount": line.amount_minor,
        "description": line.description,
        "metadata": line.metadata,
    }


def _to_fold(items: Sequence[InvoiceItem], most: int) -> set[UUID]:
    excess = len(items) - most
    if excess <= 0:
        return set()
    usage = [item for item in items if item.kind in (item.Kind.USAGE, item.Kind.LATE_USAGE)]
    # One more than the excess, because the combined line takes a place too.
    smallest = sorted(usage, key=lambda item: (abs(item.amount), -item.position))[: excess + 1]
    return {item.pk for item in smallest}


def _line(invoice: Invoice, item: InvoiceItem) -> StripeLine:
    return StripeLine(
        subject=str(item.pk),
        description=_description(invoice, item),
        amount_minor=stripe_minor(item.amount, invoice.currency),
        metadata={
            "invoice_id": str(invoice.pk),
            "invoice_item_id": str(item.pk),
            "kind": item.kind,
            **({"resource_type": item.resource_type} if item.resource_type else {}),
            "quantity": _short(item.quantity),
            "unit_price": _short(item.unit_price),
            "exact_amount": _short(item.exact_amount),
        },
    )


def _tax_line(invoice: Invoice, tax: InvoiceTax) -> StripeLine:
    return StripeLine(
        subject=f"tax:{tax.position}",
        description=f"{tax.label} on {money(tax.base, invoice.currency)}",
        amount_minor=stripe_minor(tax.tax, invoice.currency),
        metadata={
            "invoice_id": str(invoice.pk),
            "invoice_item_id": f"tax:{tax.position}",
            "kind": "tax",
            "category": tax.category,
            "rate": _short(tax.rate),
            "base": _short(tax.base),
        },
    )


def _combined(invoice: Invoice, items: Sequence[InvoiceItem]) -> StripeLine:
    exact = sum((item.exact_amount for item in items), Decimal(0))
    return StripeLine(
        subject=OTHER,
        description=f"Other usage ({len(items)} lines, itemized on {invoice.number})",
        amount_minor=sum(stripe_minor(item.amount, invoice.currency) for item in items),
        metadata={
            "invoice_id": str(invoice.pk),
            "invoice_item_id": OTHER,
            "kind": "combined",
            "lines": str(len(items)),
            "exact_amount": _short(exact),
        },
    )


def _description(invoice: Invoice, item: InvoiceItem) -> str:
    if item.kind == item.Kind.SUBSCRIPTION or not item.is_counted:
        return item.description
    price = _short(item.unit_price, at_least=exponent(invoice.currency))
    return f"{item.description} ({_short(item.quantity)} × {price} {invoice.currency})"


def _short(value: Decimal, at_least: int = 0) -> str:
    """Plain text without trailing zeros, but with at least so many decimals."""
    whole, _, decimals = without_exponent(value).partition(".")
    decimals = decimals.rstrip("0").ljust(at_least, "0")
    return f"{whole}.{decimals}" if decimals else whole
