"""What an invoice's page says of its tax: amounts, why, whose numbers, and Stripe Tax's answer."""

from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe
from unfold.decorators import display

from billing.admin.base import amount
from billing.compiled import CompiledQuery
from billing.formats import country_name, money
from invoices.models import Invoice, InvoiceTax, TaxDecision

_TAXES = CompiledQuery(lambda invoice: InvoiceTax.objects.filter(invoice=invoice))


class TaxColumnsMixin:
    """Fields of the tab *Tax*."""

    @display(description="Net")
    def before_tax(self, invoice: Invoice) -> str:
        return amount(invoice.net, invoice.currency)

    @display(description="Tax")
    def taxed(self, invoice: Invoice) -> str:
        return amount(invoice.tax, invoice.currency)

    @display(description="Taxed as")
    def taxed_why(self, invoice: Invoice) -> str:
        decision = _decision(invoice)
        return str(decision) if decision else "No tax: the issuer is not registered for any here."

    @display(description="By rate")
    def tax_lines(self, invoice: Invoice) -> str:
        lines = [
            (tax.label, money(tax.base, tax.currency), money(tax.tax, tax.currency), tax.text)
            for tax in _TAXES(invoice.pk)
        ]
        return format_html_join(mark_safe("<br>"), "{} on {}: {} {}", lines) or "–"

    @display(description="Countries and numbers")
    def tax_numbers(self, invoice: Invoice) -> str:
        decision = _decision(invoice)
        if decision is None:
            return "–"
        ours = f"{country_name(decision.supplier_country)}, {decision.supplier_tax_number},"
        theirs = f"{country_name(decision.customer_country)} {decision.customer_region}".strip()
        number = decision.customer_tax_number or "no number"
        return f"From {ours} to {theirs}, {decision.customer_status}, {number}"

    @display(description="What was known of the number")
    def number_checked(self, invoice: Invoice) -> str:
        decision = _decision(invoice)
        check = decision.evidence.get("number_check") if decision else None
        if not check:
            return "–"
        if check["source"] == "form":
            return "form and check digits only: the register (VIES) was not asked"
        answer = "valid" if check["valid"] else "not valid"
        return f"{answer}, {check['source']}, {check['checked_at'][:16]}, {check['reference']}"

    @display(description="Worked out by Stripe Tax")
    def calculated(self, invoice: Invoice) -> str:
        decision = _decision(invoice)
        answer = decision.evidence.get("calculation") if decision else None
        if not answer:
            return "–"
        shares = [
            (
                share["jurisdiction"],
                share["level"],
                share["percent"],
                share["taxable"],
                share["tax"],
            )
            for line in answer["lines"]
            for share in line["shares"]
        ]
        return format_html(
            "{}, {}<br>{}",
            answer["id"],
            answer["answered_at"][:16],
            format_html_join(mark_safe("<br>"), "{} ({}): {} % of {}: {}", shares),
        )


def _decision(invoice: Invoice) -> TaxDecision | None:
    decision: TaxDecision | None = getattr(invoice, "tax_decision", None)
    return decision
