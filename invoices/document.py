"""An invoice as the words and numbers on its paper: text only, ready to be set. No database."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from billing.formats import MINUS, exact_money, money, quantity
from billing.money import ZERO
from invoices.explained import explained
from invoices.glyphs import lacks_glyphs, printable
from invoices.models import Invoice, InvoiceItem, InvoiceTax, TaxDecision

_EN_DASH = "\N{EN DASH}"
_Status = Invoice.Status
# The address last: what follows one is easily taken for a part of it.
ADD_METHOD = (
    "Add one, and it is charged at once; or pay this invoice online. Your payment methods: {where}"
)


class Issuer(NamedTuple):
    """Who sends the invoices; `address` in lines, or in one with a comma after the street."""

    name: str
    address: str
    tax_id: str
    email: str


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
        "title": "Invoice",
        "number": invoice.number,
        **parties(invoice, issuer),
        "facts": [
            ["Invoice number", invoice.number],
            ["Issue date", long_date(invoice.issued_on)],
            ["Due date", long_date(invoice.due_date)],
            *([["Billing period", period_range(invoice)]] if invoice.billing_period else []),
            ["Currency", currency],
            *([["Replaces", invoice.replaces.number]] if invoice.replaces else []),
            *([["Corrects", invoice.corrects.number]] if invoice.corrects else []),
        ],
        "headline": _headline(invoice, zone),
        "items": [_item(item, currency, units) for item in items],
        "totals": _totals(invoice, taxes),
        "legal": [printable(text) for text in legal_texts(taxes)],
        "notes": [note for note in (_rounding(invoice), _glyphs(invoice, items, issuer)) if note],
        "payment": _payment(invoice, issuer, add_method_at),
    }


def as_preview(document: dict[str, Any], invoice: Invoice) -> dict[str, Any]:
    """The same, of an invoice that is not issued: it has no number, and asks for nothing."""
    zone = invoice.workspace.zone
    at = invoice.issued_at.astimezone(zone)
    named = ("Billing period", "Currency")
    return {
        **document,
        "number": "Preview",
        "preview": True,
        "facts": [
            ["As of", f"{long_date(at.date())}, {at:%H:%M}"],
            *(fact for fact in document["facts"] if fact[0] in named),
        ],
        "headline": {
            "label": "So far",
            "amount": money(invoice.amount, invoice.currency),
            "note": "If the period closed now",
            "stamp": "Preview",
            "tone": "quiet",
        },
        # Without what is due, which is the last.
        "totals": [
            {**row, "strong": row["label"].startswith("Total ")} for row in document["totals"][:-1]
        ],
        "payment": {
            "title": "This is not an invoice",
            "text": "It shows what the next invoice would say if the period closed now. What is"
            " used until then, and what is agreed, can change it. There is nothing to pay.",
            "url": "",
            "link": "",
        },
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
            *_address_lines(issuer.address),
            *_tax_id_line(tax_id),
            printable(issuer.email),
        ],
    }


def addressee(
    *, bill_to_name: str, bill_to_email: str, bill_to_address: str, bill_to_tax_id: str
) -> dict[str, Any]:
    """Named as an invoice's columns are, and `invoices.services.closing.issue.bill_to`."""
    return {
        "name": printable(bill_to_name),
        "lines": [
            *(printable(line) for line in bill_to_address.splitlines() if line.strip()),
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
    if first == last:
        return long_date(last)
    year = f" {first.year}" if first.year != last.year else ""
    return f"{first.day} {first:%B}{year} {_EN_DASH} {long_date(last)}"


def long_date(day: dt.date) -> str:
    return f"{day.day} {day:%B} {day.year}"


def _address_lines(address: str) -> list[str]:
    """Its own lines; a single one is broken after the street."""
    lines = address.splitlines() if "\n" in address else address.split(",", 1)
    return [printable(line) for line in lines if line.strip()]


def _tax_id_line(tax_id: str) -> list[str]:
    return [f"Tax ID {printable(tax_id)}"] if tax_id else []


def _headline(invoice: Invoice, zone: ZoneInfo) -> dict[str, str]:
    amount = money(invoice.amount_charged, invoice.currency)
    due = f"Due {long_date(invoice.due_date)}"
    amount_now = money(invoice.amount_due, invoice.currency)
    match invoice.status:
        case _Status.PAID:
            assert invoice.paid_at is not None
            paid_on = long_date(invoice.paid_at.astimezone(zone).date())
            return {
                "label": "Amount paid",
                "amount": amount,
                "note": f"Paid on {paid_on}",
                "stamp": "Paid",
                "tone": "good",
            }
        case _Status.VOID:
            return {
                "label": "Amount",
                "amount": amount,
                "note": _why_nothing_is_due(invoice),
                "stamp": "Void",
                "tone": "quiet",
            }
        case _Status.OVERDUE | _Status.UNCOLLECTIBLE:
            # A declined charge makes it overdue before its due date.
            stamp, tone = "Unpaid", "bad"
        case _:
            stamp, tone = "", "normal"
    if invoice.amount_due == 0:
        due = "Nothing to pay"
    if invoice.carried_over:
        due = "Charged with your next invoice"
    return {"label": "Amount due", "amount": amount_now, "note": due, "stamp": stamp, "tone": tone}


def _why_nothing_is_due(invoice: Invoice) -> str:
    text = "This invoice is void: nothing is to be paid."
    if invoice.replacement:
        return f"{text} Invoice {invoice.replacement.number} replaces it."
    return text


def _item(item: InvoiceItem, currency: str, units: dict[str, str]) -> dict[str, Any]:
    unit = "month" if item.kind == item.Kind.SUBSCRIPTION else units.get(item.resource_type, "")
    return {
        "description": printable(item.description),
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


def legal_texts(taxes: Sequence[InvoiceTax]) -> list[str]:
    """What the law wants an invoice with these taxes to say."""
    return list(dict.fromkeys(tax.text for tax in taxes if tax.text))


def tax_rows(invoice: Invoice, taxes: Sequence[InvoiceTax]) -> list[tuple[str, str]]:
    """Each tax in words with its amount: what is added to the net, or is in the total."""
    currency = invoice.currency
    prefix = "Includes " if invoice.prices_include_tax else ""
    return [
        (f"{prefix}{tax.label} on {money(tax.base, currency)}", money(tax.tax, currency))
        for tax in taxes
    ]


def _totals(invoice: Invoice, taxes: Sequence[InvoiceTax]) -> list[dict[str, Any]]:
    currency = invoice.currency
    total = (f"Total {currency}", money(invoice.amount, currency))
    if not taxes:
        texts = [total]
    elif invoice.prices_include_tax:
        texts = [total, *tax_rows(invoice, taxes)]
    else:
        net = ("Net, before tax", money(invoice.net, currency))
        texts = [net, *tax_rows(invoice, taxes), total]
    if invoice.carried_in:
        texts.append(("Earlier, too small to charge", money(invoice.carried_in, currency)))
    settled = [
        ("From your credit", invoice.credit_used),
        ("Credited", invoice.amount_credited),
        ("Paid", _paid(invoice)),
    ]
    texts += [(label, f"{MINUS}{money(amount, currency)}") for label, amount in settled if amount]
    if invoice.status == _Status.PAID and not invoice.amount_charged:
        texts.append(("Paid", money(0, currency)))
    rows = [{"label": printable(label), "amount": text} for label, text in texts]
    if invoice.amount_refunded:
        rows.append(
            {"label": "Refunded to you", "amount": money(invoice.amount_refunded, currency)}
        )
    rows.append({"label": "Amount due", "amount": money(invoice.amount_due, currency)})
    return [{**row, "strong": index == len(rows) - 1} for index, row in enumerate(rows)]


def _paid(invoice: Invoice) -> Decimal:
    """With what was paid along with it for earlier ones."""
    paid_along = invoice.carried_in if invoice.status == _Status.PAID else ZERO
    return invoice.amount_paid + paid_along


def _rounding(invoice: Invoice) -> str:
    """Rounding is shown, not hidden: the exact sum and what was added or left off."""
    if not invoice.residual:
        return ""
    currency = invoice.currency
    word = "added" if invoice.residual > 0 else "left off"
    return (
        f"The exact sum of all lines is {exact_money(invoice.exact_amount, currency)}; rounding it"
        f" once {word} {exact_money(abs(invoice.residual), currency)}. The lines are rounded so"
        " that they add up to the total. A unit price is the line's exact amount divided by its"
        " quantity."
    )


def _glyphs(invoice: Invoice, items: Sequence[InvoiceItem], issuer: Issuer) -> str:
    texts = [
        *issuer,
        invoice.bill_to_name,
        invoice.bill_to_address,
        invoice.bill_to_tax_id,
        invoice.bill_to_email,
        *(item.description for item in items),
    ]
    if not any(lacks_glyphs(text) for text in texts):
        return ""
    return (
        "A character above that this paper has no letterform for is printed as its Unicode number,"
        " as [U+13000]."
    )


def _payment(invoice: Invoice, issuer: Issuer, add_method_at: str) -> dict[str, str]:
    url = invoice.hosted_invoice_url
    questions = f"Questions? Write to {printable(issuer.email)} and name invoice {invoice.number}."
    if not invoice.amount_due:
        title = "Thank you" if invoice.status == _Status.PAID else "Nothing to pay"
        return {"title": title, "text": questions, "url": "", "link": ""}
    if invoice.carried_over:
        text = (
            "This amount is too small to be charged by itself: it is charged with your next"
            " invoice. There is nothing to do."
        )
        url = ""
    elif invoice.status == _Status.UNCOLLECTIBLE:
        text = "We no longer ask for this invoice. It is still owed and can be paid."
    elif invoice.status == _Status.OVERDUE:
        text = "The due date has passed or a payment has failed. Please pay at once."
        if add_method_at:
            text = f"There is no payment method on file. {ADD_METHOD}"
    elif add_method_at:
        text = f"There is no payment method on file, so nothing is charged yet. {ADD_METHOD}"
    elif invoice.collection_method == "charge_automatically":
        text = "Your payment method on file is charged automatically. There is nothing to do."
    else:
        text = f"Please pay by {long_date(invoice.due_date)}."
    text = text.format(where=add_method_at) if add_method_at else text
    return {
        "title": "How to pay",
        "text": f"{text} {questions}",
        "url": url if url.startswith(("https://", "http://")) else "",
        "link": "View and pay online",
    }
