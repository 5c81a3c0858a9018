"""Parts that documents share: who sends one, to whom, and what each has to say. No database.

In the language that is active, as `invoices.document`.
"""

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _

from billing.addresses import city_line
from billing.formats import country_name
from billing.issuers import Issuer
from billing.languages import active_language
from billing.taxnumbers import COUNTRIES
from invoices.glyphs import printable
from invoices.models import Invoice, InvoiceTax, TaxDecision


def frame(title: str, number: str, issuer: Issuer) -> dict[str, Any]:
    """What every document has: its title, its words in the active language, its issuer's looks."""
    return {
        "title": title,
        "number": number,
        "language": active_language(),
        "subject": _("{title} {number} from {issuer}").format(
            title=title, number=number, issuer=printable(issuer.name)
        ),
        "words": {
            "bill_to": _("Bill to"),
            "description": _("Description"),
            "quantity": _("Quantity"),
            "unit_price": _("Unit price"),
            "amount": _("Amount"),
            "preview": _("Preview"),
            "page": _("Page {page} of {pages}"),
            "bank": _("Bank details"),
        },
        "colour": issuer.colour,
        "logo": list(issuer.logo),
        "footer": [printable(line) for line in issuer.footer.splitlines() if line.strip()][:3],
        "bank": [],
    }


def parties(invoice: Invoice, issuer: Issuer) -> dict[str, Any]:
    """Who sends a document about the invoice, and to whom: as the invoice itself says it."""
    return {
        "issuer": sender(issuer, tax_id=supplier_tax_number(invoice) or issuer.tax_id),
        "bill_to": addressee(
            bill_to_name=invoice.bill_to_name,
            bill_to_email=invoice.bill_to_email,
            bill_to_address=invoice.bill_to_address,
            bill_to_tax_id=invoice.bill_to_tax_id,
        ),
    }


def sender(issuer: Issuer, *, tax_id: str) -> dict[str, Any]:
    return {
        "name": printable(issuer.name),
        "lines": [
            *(printable(line) for line in issuer_address(issuer)),
            *_tax_id_line(tax_id),
            *_named(_("Tax number"), issuer.tax_number),
            *_named("", issuer.register),
            *_named(_("Managing directors"), issuer.directors),
            *_named("", issuer.contact_name),
            printable(issuer.email),
            *_named("", issuer.phone),
            *_named("", issuer.website),
        ],
    }


def addressee(
    *, bill_to_name: str, bill_to_email: str, bill_to_address: str, bill_to_tax_id: str
) -> dict[str, Any]:
    """Named as an invoice's columns are, and what `invoices.bill_to` has."""
    return {
        "name": printable(bill_to_name),
        "lines": [
            *(printable(line) for line in addressed_lines(bill_to_address)),
            *_tax_id_line(bill_to_tax_id),
            printable(bill_to_email),
        ],
    }


def addressed_lines(address: str) -> list[str]:
    """An address line by line; the country, kept as its code, in the reader's language."""
    lines = [line for line in address.splitlines() if line.strip()]
    if lines and lines[-1] in COUNTRIES:
        lines[-1] = country_name(lines[-1])
    return lines


def issuer_address(issuer: Issuer) -> list[str]:
    """Its lines; the single one of the settings is broken after the street."""
    if not issuer.address_country:
        text = issuer.address_line1
        lines = text.splitlines() if "\n" in text else text.split(",", 1)
        return [line for line in lines if line.strip()]
    city = city_line(
        country=issuer.address_country,
        postal_code=issuer.address_postal_code,
        city=issuer.address_city,
        state=issuer.address_state,
    )
    lines = [
        issuer.address_line1,
        issuer.address_line2,
        city,
        country_name(issuer.address_country),
    ]
    return [line for line in lines if line]


def supplier_tax_number(invoice: Invoice) -> str:
    """The registration it is taxed by; empty where the issuer charges no tax."""
    decision: TaxDecision | None = getattr(invoice, "tax_decision", None)
    return decision.supplier_tax_number if decision else ""


def given_by_customer(invoice: Invoice) -> list[list[str]]:
    """The customer's order number and what else it wanted on its invoices."""
    order = [[_("Your order number"), invoice.order_number]] if invoice.order_number else []
    pairs = [*order, *invoice.custom_fields]
    return [[printable(name), printable(text)] for name, text in pairs]


def bank_facts(issuer: Issuer, currency: str, reference: str) -> list[list[str]]:
    """Where a transfer in the currency goes; empty where the issuer takes none."""
    account = issuer.bank_account(currency)
    if account is None:
        return []
    facts = [
        (_("Account holder"), issuer.name),
        (_("Bank"), account.bank),
        ("IBAN", account.spaced_iban),
        ("BIC", account.bic),
        (_("Account"), account.account),
        (_("Payment reference"), reference),
    ]
    return [[label, printable(text)] for label, text in facts if text]


def legal_texts(taxes: Sequence[InvoiceTax], own_text: str) -> list[str]:
    """What the law wants an invoice with these taxes to say, and its issuer's own text."""
    own = own_text.splitlines()
    return list(dict.fromkeys(text for text in [*(tax.text for tax in taxes), *own] if text))


def questions(issuer: Issuer, number: str) -> str:
    return _("Questions? Write to {email} and name {number}.").format(
        email=printable(issuer.email), number=number
    )


def _tax_id_line(tax_id: str) -> list[str]:
    return _named(_("Tax ID"), tax_id)


def _named(label: str, text: str) -> list[str]:
    return [printable(f"{label} {text}".strip())] if text else []
