"""An invoice as the words and numbers on its paper: text only, ready to be set. No database.

In the language that is active: `invoices.pdf` puts the document's own in force.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from billing import months
from billing.formats import MINUS, date_range, exact_money, long_date, money, quantity, word
from billing.issuers import Issuer
from billing.money import ZERO
from billing.phrases import phrase
from invoices.document_parts import (
    bank_facts,
    frame,
    given_by_customer,
    legal_texts,
    parties,
    questions,
)
from invoices.explained import explained
from invoices.glyphs import printable
from invoices.models import Invoice, InvoiceItem, InvoiceTax

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
    taxes = list(invoice.taxes.all()) if taxes is None else taxes
    return {
        **frame(_("Invoice"), invoice.number, issuer),
        **parties(invoice, issuer),
        "facts": [
            [_("Invoice number"), invoice.number],
            [_("Issue date"), long_date(invoice.issued_on)],
            [_("Due date"), long_date(invoice.due_date)],
            _supplied(invoice),
            *given_by_customer(invoice),
            [_("Currency"), currency],
            *([[_("Replaces"), invoice.replaces.number]] if invoice.replaces else []),
            *([[_("Corrects"), invoice.corrects.number]] if invoice.corrects else []),
        ],
        "headline": _headline(invoice),
        "items": [_item(item, currency, units) for item in items],
        "totals": _totals(invoice, taxes),
        "bank": bank_facts(issuer, currency, invoice.number) if invoice.amount_due else [],
        "legal": [printable(text) for text in legal_texts(taxes, issuer.legal_text)],
        "notes": _rounding(invoice),
        "payment": _payment(invoice, issuer, add_method_at),
    }


def _supplied(invoice: Invoice) -> list[str]:
    """When it was: tax offices want it said, where it is the day of issue too."""
    if invoice.billing_period:
        return [_("Billing period"), period_range(invoice)]
    return [_("Date of supply"), long_date(invoice.issued_on)]


def tax_note(tax_status: str) -> str:
    """What a preview says of a tax that is asked for when its month has ended."""
    if tax_status == "unknown":
        then = _("It is worked out for your address when the month has ended, and comes on top.")
        return _("Sales tax is not known yet.") + " " + then
    if tax_status == "estimated":
        return _(
            "The sales tax is by the rates of your last invoice. It is worked out anew when the"
            " month has ended."
        )
    return ""


def as_preview(
    document: dict[str, Any], invoice: Invoice, *, tax_status: str = "known"
) -> dict[str, Any]:
    """The same, of an invoice that is not issued: it has no number, and asks for nothing."""
    zone = invoice.workspace.zone
    at = invoice.issued_at.astimezone(zone)
    named = (_("Billing period"), _("Currency"))
    return {
        **document,
        "number": _("Preview"),
        "preview": True,
        "notes": [text for text in (tax_note(tax_status), *document["notes"]) if text],
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


def period_range(invoice: Invoice) -> str:
    """The days it bills, first and last, on the workspace's calendar: "1 – 31 October 2026".

    Empty where it bills no period.
    """
    period = invoice.billing_period
    if period is None:
        return ""
    zone = invoice.workspace.zone
    return date_range(*months.first_and_last_day(period.period_start, period.period_end, zone))


def _headline(invoice: Invoice) -> dict[str, str]:
    amount = money(invoice.amount_charged, invoice.currency)
    due = _("Due {day}").format(day=long_date(invoice.due_date))
    amount_now = money(invoice.amount_due, invoice.currency)
    match invoice.status:
        case _Status.PAID:
            assert invoice.paid_at is not None
            paid_on = long_date(months.local_date(invoice.paid_at, invoice.workspace.zone))
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


def _rounding(invoice: Invoice) -> list[str]:
    """Rounding is shown, not hidden: the exact sum and what was added or left off."""
    if not invoice.residual:
        return []
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
    return [f"{first} {then}"]


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
    elif invoice.is_charged_automatically:
        text = _("Your payment method on file is charged automatically. There is nothing to do.")
    else:
        text = pay_by(invoice)
    # On a line of its own, as `how` ends in an address.
    return {
        "title": _("How to pay"),
        "text": " ".join(part for part in (text, how) if part) + f"\n{asked}",
        "url": url if url.startswith(("https://", "http://")) else "",
        "link": _("View and pay online"),
    }


def pay_by(invoice: Invoice) -> str:
    return _("Please pay by {day}.").format(day=long_date(invoice.due_date))
