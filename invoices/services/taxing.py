"""The tax of a document that is to be issued, and its frozen rows."""

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

from billing import months
from billing.errors import Conflict
from billing.issuers import account_of
from billing.languages import in_language
from billing.models import IssuingEntity, Workspace
from billing.phrases import phrase
from billing.rating import tax_amounts
from billing.rating.tax_amounts import Taxed
from billing.rating.taxes import Treatment, Undecided
from billing.taxes import Facts, TaxReader
from invoices.models import Invoice, InvoiceTax, TaxDecision
from invoices.services.sales_taxes import Calculations, NotCalculated, TaxQuestion, calculated_tax


@dataclass(frozen=True, slots=True)
class DocumentTax:
    """How a document is taxed, and what that comes to.

    With `asked` it is by the last rates that were answered, of a document that is not issued.
    """

    facts: Facts
    taxed: Taxed
    prices_include_tax: bool
    evidence: dict[str, Any] = field(default_factory=dict)
    asked: TaxQuestion | None = None


class CannotBeTaxed(Conflict):
    """What a document's tax is cannot be said as things are; nothing is issued without it."""

    code = "cannot_be_taxed"
    # What has to be answered first, where that is what is missing.
    asked: TaxQuestion | None = None


@contextmanager
def cannot_be_taxed() -> Iterator[None]:
    """Raise `CannotBeTaxed` for what cannot be decided in the block."""
    try:
        yield
    except Undecided as error:
        refusal = CannotBeTaxed(error.detail, code=error.code)
        refusal.asked = error.asked if isinstance(error, NotCalculated) else None
        raise refusal from None


def document_tax(
    reader: TaxReader,
    calculations: Calculations,
    workspace: Workspace,
    entity: IssuingEntity | None,
    lines: Sequence[tuple[Decimal, str]],
    *,
    prices_include_tax: bool,
    day: dt.date,
    period_id: UUID | None = None,
    is_preview: bool = False,
) -> DocumentTax | None:
    """The tax of lines of (amount, tax class); None where `entity` is registered nowhere.

    By the rates of `day`, when what it bills was supplied; of a preview by the last rates where
    those of now have to be asked for. Raises `Undecided`.
    """
    facts = reader.facts_of(workspace, entity, day)
    if facts is None:
        return None
    evidence: dict[str, Any] = {}
    asked = None
    if facts.decision.is_calculated:
        calculated = calculated_tax(
            calculations,
            facts.decision,
            workspace,
            lines,
            prices_include_tax=prices_include_tax,
            day=day,
            period_id=period_id,
            account=account_of(entity),
            is_preview=is_preview,
        )
        taxed, evidence, asked = calculated.taxed, calculated.evidence, calculated.asked
    else:
        taxed = tax_amounts.apply(
            facts.decision,
            lines,
            rate_of=lambda country, region, tax_class: reader.rate(country, region, tax_class, day),
            currency=workspace.currency,
            prices_include_tax=prices_include_tax,
        )
    if taxed.gross <= 0:
        raise Undecided(
            "tax_below_zero",
            f"It comes to {taxed.net:f} before tax and {taxed.gross:f} with it: credits at another"
            " rate are larger than what they are taken from.",
        )
    return DocumentTax(facts, taxed, prices_include_tax, evidence, asked)


def amounts_of(rounded: Decimal, tax: DocumentTax | None) -> dict[str, Any]:
    """The amounts of an invoice whose lines come to `rounded`."""
    if tax is None:
        return {"net": rounded, "amount": rounded}
    return {
        "net": tax.taxed.net,
        "tax": tax.taxed.tax,
        "amount": tax.taxed.gross,
        "prices_include_tax": tax.prices_include_tax,
    }


def items_taxed(amounts: Sequence[Decimal], tax: DocumentTax | None) -> list[dict[str, Any]]:
    """What each line has of the tax: its net, category and rate."""
    if tax is None:
        return [{"net": amount, "tax_category": "", "tax_rate": None} for amount in amounts]
    return [
        {"net": net, "tax_category": category.code, "tax_rate": category.rate}
        for net, category in zip(tax.taxed.nets, tax.taxed.categories, strict=True)
    ]


def freeze_taxes(taxed: Sequence[tuple[Invoice, DocumentTax]]) -> None:
    """Keep what documents are taxed, and why. Two statements."""
    InvoiceTax.objects.bulk_create(
        [row for invoice, tax in taxed for row in tax_rows(invoice, tax)]
    )
    TaxDecision.objects.bulk_create([decision_row(invoice, tax) for invoice, tax in taxed])


def tax_rows(invoice: Invoice, tax: DocumentTax) -> list[InvoiceTax]:
    decision = tax.facts.decision
    # Without a rate to charge it is the seller's country that leaves it off.
    is_taxed = decision.treatment == Treatment.TAXED
    with in_language(invoice.language):
        texts = [phrase(group.text) for group in tax.taxed.groups]
    return [
        InvoiceTax(
            invoice=invoice,
            position=position,
            category=group.category.code,
            rate=group.category.rate,
            name=group.name,
            country=decision.country if is_taxed else decision.registration.country,
            region=decision.region if is_taxed else decision.registration.region,
            currency=invoice.currency,
            base=group.base,
            tax=group.tax,
            prices_include_tax=tax.prices_include_tax,
            is_calculated=group.is_calculated,
            reason_code=group.reason_code,
            text=text,
        )
        for position, (group, text) in enumerate(zip(tax.taxed.groups, texts, strict=True), start=1)
    ]


def decision_row(invoice: Invoice, tax: DocumentTax) -> TaxDecision:
    decision, customer = tax.facts.decision, tax.facts.customer
    rates = [
        {
            "id": group.rate_id,
            "category": group.category.code,
            "percent": f"{group.category.rate.normalize():f}",
        }
        for group in tax.taxed.groups
        if group.rate_id
    ]
    return TaxDecision(
        invoice=invoice,
        treatment=decision.treatment,
        why=decision.why,
        supplier_country=decision.registration.country,
        supplier_tax_number=decision.registration.number,
        customer_country=customer.country,
        customer_region=customer.region,
        customer_status=customer.status,
        customer_tax_number=customer.number,
        prices_include_tax=tax.prices_include_tax,
        evidence={**tax.facts.evidence, **tax.evidence, "rates": rates},
        decided_at=invoice.issued_at,
    )


def tax_day(invoice: Invoice) -> dt.date:
    """The day by whose rates an invoice was taxed: what it bills was supplied by then."""
    decision = TaxDecision.objects.filter(invoice=invoice).first()
    if decision is not None:
        return dt.date.fromisoformat(decision.evidence["day"])
    if invoice.billing_period is None:
        return invoice.issued_on
    last = invoice.billing_period.period_end - dt.timedelta(microseconds=1)
    return months.local_date(min(last, invoice.issued_at), invoice.workspace.zone)
