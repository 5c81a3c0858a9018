"""An invoice as the words and numbers on its paper: text only, ready to be set. No database.

In the language that is active: `invoices.pdf` puts the document's own in force.
"""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from billing.formats import (
    MINUS,
    country_name,
    date_range,
    exact_money,
    long_date,
    money,
    quantity,
    word,
)
from billing.issuers import Issuer
from billing.languages import active_language
from billing.money import ZERO
from billing.phrases import phrase
from billing.taxnumbers import COUNTRIES
from invoices.explained import explained
from invoices.glyphs import lacks_glyphs, printable
from invoices.models import Invoice, InvoiceItem, InvoiceTax, TaxDecision

_Status = Invoice.Status
# The address last: what follows one is easily taken for a part of it.
ADD_METHOD = gettext_noop(
    "Add one, and it is charged at once; or pay this invoice online. Your payment methods: {where}"
)


def add_method(where: str) -> str:
    return _(ADD_METHOD).format(where=where)


def invoice_document(
    invoice: Invoice,
    items: Sequence[InvoiceItem],
    *,
    issuer: Issuer,
    units: dict[str, str],
    add_method_at: str = "",
    taxes: Sequence[InvoiceTax] | None = None,
) -> dict[str, Any]:
    """What the template sets: `units` names the unit of each resource type's quantity.

    `add_method_at` is where a payment method is added, given where one is lacking; `taxes` are
    those of an invoice that is not saved.
    """
    currency = invoice.currency
    zone = invoice.workspace.zone
    taxes = list(invoice.taxes.all()) if taxes is None else taxes
    return {
        **frame(_("Invoice"), invoice.number, issuer),
        **parties(invoice, issuer),
        "facts": [
            [_("Invoice number"), invoice.number],
            [_("Issue date"), long_date(invoice.issued_on)],
            [_("Due date"), long_date(invoice.due_date)],
            *([[_("Billing period"), period_range(invoice)]] if invoice.billing_period else []),
            *given_by_customer(invoice),
            [_("Currency"), currency],
            *([[_("Replaces"), invoice.replaces.number]] if invoice.replaces else []),
            *([[_("Corrects"), invoice.corrects.number]] if invoice.corrects else []),
        ],
        "headline": _headline(invoice, zone),
        "items": [_item(item, currency, units) for item in items],
        "totals": _totals(invoice, taxes),
        "bank": bank_facts(issuer, currency, invoice.number) if invoice.amount_due else [],
        "legal": [printable(text) for text in legal_texts(taxes, issuer)],
        "notes": [note for note in (_rounding(invoice), _glyphs(invoice, items, issuer)) if note],
        "payment": _payment(invoice, issuer, add_method_at),
    }


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


def as_preview(document: dict[str, Any], invoice: Invoice) -> dict[str, Any]:
    """The same, of an invoice that is not issued: it has no number, and asks for nothing."""
    zone = invoice.workspace.zone
    at = invoice.issued_at.astimezone(zone)
    named = (_("Billing period"), _("Currency"))
    return {
        **document,
        "number": _("Preview"),
        "preview": True,
        "facts": [
            [_("As of"), f"{long_date(at.date())}, {at:%H:%M}"],
            *(fact for fact in document["facts"] if fact[0] in named),
        ],
        "headline": {
            "label": _("So far"),
            "amount": money(invoice.amount, invoice.currency),
            "note": _("If the period closed now"),
            "stamp": _("Preview"),
            "tone": "quiet",
        },
        # Without what is due, which is the last.
        "totals": [{**row, "strong": row["total"]} for row in document["totals"][:-1]],
        "bank": [],
        "payment": {
            "title": _("This is not an invoice"),
            "text": _(
                "It shows what the next invoice would say if the period closed now. What is used"
                " until then, and what is agreed, can change it. There is nothing to pay."
            ),
            "url": "",
            "link": "",
        },
    }


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
    """Named as an invoice's columns are, and `invoices.services.closing.issue.bill_to`."""
    return {
        "name": printable(bill_to_name),
        "lines": [
            *(printable(line) for line in addressed_lines(bill_to_address)),
            *_tax_id_line(bill_to_tax_id),
            printable(bill_to_email),
        ],
    }


def period_range(invoice: Invoice) -> str:
    """The days it bills, first and last, on the workspace's calendar: "1 – 31 October 2026".

    Empty where it bills no period.
    """
    period, zone = invoice.billing_period, invoice.workspace.zone
    if period is None:
        return ""
    first = period.period_start.astimezone(zone).date()
    # The end is exclusive; a period that was closed early may end within a day.
    last = (period.period_end - dt.timedelta(microseconds=1)).astimezone(zone).date()
    return date_range(first, last)


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
    city = (issuer.address_postal_code, issuer.address_city, issuer.address_state)
    lines = [
        issuer.address_line1,
        issuer.address_line2,
        " ".join(part for part in city if part),
        country_name(issuer.address_country),
    ]
    return [line for line in lines if line]


def _tax_id_line(tax_id: str) -> list[str]:
    return _named(_("Tax ID"), tax_id)


def _named(label: str, text: str) -> list[str]:
    return [printable(f"{label} {text}".strip())] if text else []


def _headline(invoice: Invoice, zone: ZoneInfo) -> dict[str, str]:
    amount = money(invoice.amount_charged, invoice.currency)
    due = _("Due {day}").format(day=long_date(invoice.due_date))
    amount_now = money(invoice.amount_due, invoice.currency)
    match invoice.status:
        case _Status.PAID:
            assert invoice.paid_at is not None
            paid_on = long_date(invoice.paid_at.astimezone(zone).date())
            return {
                "label": _("Amount paid"),
                "amount": amount,
                "note": _("Paid on {day}").format(day=paid_on),
                "stamp": _("Paid"),
                "tone": "good",
            }
        case _Status.VOID:
            return {
                "label": _("Amount"),
                "amount": amount,
                "note": _why_nothing_is_due(invoice),
                "stamp": _("Void"),
                "tone": "quiet",
            }
        case _Status.OVERDUE | _Status.UNCOLLECTIBLE:
            # A declined charge makes it overdue before its due date.
            stamp, tone = _("Unpaid"), "bad"
        case _:
            stamp, tone = "", "normal"
    if invoice.amount_due == 0:
        due = _("Nothing to pay")
    if invoice.carried_over:
        due = _("Charged with your next invoice")
    return {
        "label": _("Amount due"),
        "amount": amount_now,
        "note": due,
        "stamp": stamp,
        "tone": tone,
    }


def _why_nothing_is_due(invoice: Invoice) -> str:
    text = _("This invoice is void: nothing is to be paid.")
    if invoice.replacement:
        replaced = _("Invoice {number} replaces it.").format(number=invoice.replacement.number)
        return f"{text} {replaced}"
    return text


def _item(item: InvoiceItem, currency: str, units: dict[str, str]) -> dict[str, Any]:
    unit = units.get(item.resource_type, "")
    unit = _("month") if item.kind == item.Kind.SUBSCRIPTION else word(unit)
    return {
        "description": printable(phrase(item.description)),
        "quantity": quantity(item.quantity) if item.is_counted else "",
        "unit": unit if item.is_counted else "",
        "unit_price": exact_money(item.unit_price, currency) if item.is_counted else "",
        "amount": money(item.amount, currency),
        "details": [printable(text) for text in explained(item, currency)],
    }


def supplier_tax_number(invoice: Invoice) -> str:
    """The registration it is taxed by; empty where the issuer charges no tax."""
    decision: TaxDecision | None = getattr(invoice, "tax_decision", None)
    return decision.supplier_tax_number if decision else ""


def legal_texts(taxes: Sequence[InvoiceTax], issuer: Issuer) -> list[str]:
    """What the law wants an invoice with these taxes to say, and its issuer's own text."""
    own = issuer.legal_text.splitlines()
    return list(dict.fromkeys(text for text in [*(tax.text for tax in taxes), *own] if text))


def tax_rows(invoice: Invoice, taxes: Sequence[InvoiceTax]) -> list[tuple[str, str]]:
    """Each tax in words with its amount: what is added to the net, or is in the total."""
    currency = invoice.currency
    form = _("Includes {tax} on {base}") if invoice.prices_include_tax else _("{tax} on {base}")
    return [
        (form.format(tax=tax.label, base=money(tax.base, currency)), money(tax.tax, currency))
        for tax in taxes
    ]


def _totals(invoice: Invoice, taxes: Sequence[InvoiceTax]) -> list[dict[str, Any]]:
    currency = invoice.currency
    total_label = _("Total {currency}").format(currency=currency)
    total = (total_label, money(invoice.amount, currency))
    if not taxes:
        texts = [total]
    elif invoice.prices_include_tax:
        texts = [total, *tax_rows(invoice, taxes)]
    else:
        net = (_("Net, before tax"), money(invoice.net, currency))
        texts = [net, *tax_rows(invoice, taxes), total]
    if invoice.carried_in:
        texts.append((_("Earlier, too small to charge"), money(invoice.carried_in, currency)))
    settled = [
        (_("From your credit"), invoice.credit_used),
        (_("Credited"), invoice.amount_credited),
        (_("Paid"), _paid(invoice)),
    ]
    texts += [(label, f"{MINUS}{money(amount, currency)}") for label, amount in settled if amount]
    if invoice.status == _Status.PAID and not invoice.amount_charged:
        texts.append((_("Paid"), money(0, currency)))
    if invoice.amount_refunded:
        texts.append((_("Refunded to you"), money(invoice.amount_refunded, currency)))
    texts.append((_("Amount due"), money(invoice.amount_due, currency)))
    return [
        {
            "label": printable(label),
            "amount": text,
            "strong": place == len(texts) - 1,
            "total": label == total_label,
        }
        for place, (label, text) in enumerate(texts)
    ]


def _paid(invoice: Invoice) -> Decimal:
    """With what was paid along with it for earlier ones."""
    paid_along = invoice.carried_in if invoice.status == _Status.PAID else ZERO
    return invoice.amount_paid + paid_along


def _rounding(invoice: Invoice) -> str:
    """Rounding is shown, not hidden: the exact sum and what was added or left off."""
    if not invoice.residual:
        return ""
    currency = invoice.currency
    if invoice.residual > 0:
        first = _("The exact sum of all lines is {exact}; rounding it once added {rest}.")
    else:
        first = _("The exact sum of all lines is {exact}; rounding it once left off {rest}.")
    first = first.format(
        exact=exact_money(invoice.exact_amount, currency),
        rest=exact_money(abs(invoice.residual), currency),
    )
    then = _(
        "The lines are rounded so that they add up to the total. A unit price is the line's exact"
        " amount divided by its quantity."
    )
    return f"{first} {then}"


def _glyphs(invoice: Invoice, items: Sequence[InvoiceItem], issuer: Issuer) -> str:
    texts = [
        issuer.name,
        *issuer_address(issuer),
        issuer.tax_id,
        issuer.email,
        invoice.bill_to_name,
        invoice.bill_to_address,
        invoice.bill_to_tax_id,
        invoice.bill_to_email,
        *(item.description for item in items),
    ]
    if not any(lacks_glyphs(text) for text in texts):
        return ""
    return _(
        "A character above that this paper has no letterform for is printed as its Unicode number,"
        " as [U+13000]."
    )


def _payment(invoice: Invoice, issuer: Issuer, add_method_at: str) -> dict[str, str]:
    url = invoice.hosted_invoice_url
    asked = questions(issuer, invoice.number)
    if not invoice.amount_due:
        title = _("Thank you") if invoice.status == _Status.PAID else _("Nothing to pay")
        return {"title": title, "text": asked, "url": "", "link": ""}
    how = ""
    if invoice.carried_over:
        text = _(
            "This amount is too small to be charged by itself: it is charged with your next"
            " invoice. There is nothing to do."
        )
        url = ""
    elif invoice.status == _Status.UNCOLLECTIBLE:
        text = _("We no longer ask for this invoice. It is still owed and can be paid.")
    elif invoice.status == _Status.OVERDUE:
        text = _("The due date has passed or a payment has failed. Please pay at once.")
        if add_method_at:
            text = _("There is no payment method on file.")
            how = add_method(add_method_at)
    elif add_method_at:
        text = _("There is no payment method on file, so nothing is charged yet.")
        how = add_method(add_method_at)
    elif invoice.collection_method == "charge_automatically":
        text = _("Your payment method on file is charged automatically. There is nothing to do.")
    else:
        text = pay_by(invoice)
    return {
        "title": _("How to pay"),
        "text": " ".join(part for part in (text, how, asked) if part),
        "url": url if url.startswith(("https://", "http://")) else "",
        "link": _("View and pay online"),
    }


def pay_by(invoice: Invoice) -> str:
    return _("Please pay by {day}.").format(day=long_date(invoice.due_date))


def questions(issuer: Issuer, number: str) -> str:
    return _("Questions? Write to {email} and name {number}.").format(
        email=printable(issuer.email), number=number
    )
