"""What an e-invoice says: a document's frozen rows as the business terms of EN 16931.

The terms (BT-1 the number, BG-25 the lines) are those of the standard, by the names that factur-x
has for them. Every amount is one of the rows' own: nothing is computed anew but sums that the
standard wants beside them. No database.

Discounts and credits below zero are allowances of the document, everything else is a line. Our unit
prices are averages; where quantity times price does not come to the line's net to the cent, the
price is the net itself and the quantity its base, which does.
"""

import datetime as dt
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import NamedTuple

from django.utils.translation import gettext as _
from stdnum import iban

from billing import months
from billing.money import EXACT, ZERO
from billing.phrases import phrase
from invoices.document import pay_by
from invoices.document_parts import legal_texts
from invoices.einvoices.parties import Parties
from invoices.einvoices.terms import (
    CENT,
    Terms,
    amount_text,
    clean_text,
    given,
    head,
    item_category,
    note_terms,
    number_text,
    preceding,
    supplied,
    tax_category,
    totals,
    untaxed,
)
from invoices.einvoices.units import ONE, unit_of
from invoices.models import (
    CreditNote,
    CreditNoteItem,
    CreditNoteTax,
    Invoice,
    InvoiceItem,
    InvoiceTax,
)

_Kind = InvoiceItem.Kind
_INVOICE, _CREDIT_NOTE = "380", "381"
_DISCOUNT = "95"
_ALLOWED = (_Kind.DISCOUNT, _Kind.CREDIT, _Kind.MANUAL)
# Payment means (UNTDID 4461).
_CREDIT_TRANSFER, _SEPA, _ONLINE, _CLEARING, _UNDEFINED = "30", "58", "68", "97", "1"
_SEPA_COUNTRIES = frozenset(
    "AD AT BE BG CH CY CZ DE DK EE ES FI FR GB GI GR HR HU IE IS IT LI LT LU LV MC MT NL NO PL PT"
    " RO SE SI SK SM VA".split()
)


class _CountedLine(NamedTuple):
    quantity: Decimal
    unit: str
    price: Decimal
    base: Decimal | None


def invoice_terms(
    invoice: Invoice,
    items: Sequence[InvoiceItem],
    taxes: Sequence[InvoiceTax],
    parties: Parties,
) -> Terms:
    """An invoice of any kind, in words of the active language."""
    lines = [item for item in items if not _is_allowance(item)]
    allowances = [item for item in items if _is_allowance(item)]
    earlier = invoice.corrects or invoice.replaces
    replaced = [f"{_('Replaces')}: {invoice.replaces.number}"] if invoice.replaces else []
    first, last = _days(invoice)
    return {
        **head(invoice.number, invoice.issued_on, _INVOICE, invoice.currency, parties),
        **supplied(first, last),
        "BT-9": invoice.due_date,
        **note_terms([*legal_texts(taxes, parties["seller"]["legal_text"]), *replaced]),
        **({"BG-3": [preceding(earlier)]} if earlier else {}),
        **_payment(invoice, parties),
        "BG-20": [_allowance(item) for item in allowances],
        "BG-23": _breakdown(taxes) if taxes else untaxed(invoice.net),
        **totals(
            lines=sum((item.net for item in lines), ZERO),
            allowances=-sum((item.net for item in allowances), ZERO),
            net=invoice.net,
            tax=invoice.tax,
            total=invoice.amount,
        ),
        "BG-25": [_line(place, item) for place, item in enumerate(lines, start=1)],
    }


def credit_note_terms(
    note: CreditNote,
    items: Sequence[CreditNoteItem],
    taxes: Sequence[CreditNoteTax],
    invoice_taxes: Sequence[InvoiceTax],
    parties: Parties,
) -> Terms:
    """A credit note: amounts above zero, as its rows have them; what it says is less to be paid."""
    assert note.number is not None and note.issued_at is not None  # noqa: PT018
    invoice = note.invoice
    first, last = _days(invoice)
    issued_on = months.local_date(note.issued_at, note.workspace.zone)
    texts = {tax.category: tax for tax in invoice_taxes}
    taxed = [tax for tax in taxes if tax.category]
    return {
        **head(note.number, issued_on, _CREDIT_NOTE, note.currency, parties),
        **supplied(first, last),
        **note_terms(
            [phrase(note.explanation), *legal_texts(invoice_taxes, parties["seller"]["legal_text"])]
        ),
        "BG-3": [preceding(invoice)],
        "BT-20": _("There is nothing to pay."),
        "BT-81": _UNDEFINED if note.to_refund or note.to_out_of_band else _CLEARING,
        "BG-23": [
            {
                "BT-116": amount_text(tax.base),
                "BT-117": amount_text(tax.tax),
                **tax_category(tax.category, tax.rate, texts.get(tax.category)),
            }
            for tax in taxed
        ]
        or untaxed(note.net),
        **totals(lines=note.net, allowances=ZERO, net=note.net, tax=note.tax, total=note.total),
        "BG-25": [
            {
                "BT-126": str(place),
                "BT-129": "1",
                "BT-130": ONE,
                "BT-131": amount_text(line.net),
                "BT-146": amount_text(line.net),
                "BT-153": clean_text(phrase(line.item.description)),
                **item_category(line.item),
            }
            for place, line in enumerate(items, start=1)
        ],
    }


def _days(invoice: Invoice) -> tuple[dt.date | None, dt.date]:
    """The first day of what it bills, where it bills a period, and the last."""
    period, zone = invoice.billing_period, invoice.workspace.zone
    if period is None and invoice.corrects is not None:
        period = invoice.corrects.billing_period
    if period is None:
        return None, invoice.issued_on
    return months.first_and_last_day(period.period_start, period.period_end, zone)


def _payment(invoice: Invoice, parties: Parties) -> Terms:
    """By transfer, unless it is charged: nobody pays who reads that there is nothing to do."""
    seller = parties["seller"]
    # E-invoices that were kept before this was say nothing of it.
    lacks = invoice.is_charged_automatically and parties.get("lacks_payment_method", False)
    if invoice.is_charged_automatically and not lacks:
        return {
            "BT-20": _(
                "Your payment method on file is charged automatically. There is nothing to do."
            ),
            "BT-81": _ONLINE,
            "BT-83": invoice.number,
        }
    how = pay_by(invoice)
    if lacks:
        how = _("There is no payment method on file, so nothing is charged yet.") + " " + how
    terms = {"BT-20": how, "BT-83": invoice.number}
    if not seller["iban"]:
        return {**terms, "BT-81": _ONLINE}
    account = seller["iban"]
    is_sepa = (
        invoice.currency == "EUR" and account[:2] in _SEPA_COUNTRIES and iban.is_valid(account)
    )
    return {
        **terms,
        "BT-81": _SEPA if is_sepa else _CREDIT_TRANSFER,
        "BT-84": account,
        **given({"BT-85": seller["name"], "BT-86": seller["bic"]}),
    }


def _is_allowance(item: InvoiceItem) -> bool:
    # One of nothing is a line: it may be all that its row of the tax breakdown stands on (BR-S-08).
    return item.kind in _ALLOWED and item.net < 0


def _allowance(item: InvoiceItem) -> Terms:
    category = item_category(item)
    return {
        "amount": amount_text(-item.net),
        "reason": clean_text(phrase(item.description)),
        **({"reason_code": _DISCOUNT} if item.kind == _Kind.DISCOUNT else {}),
        "vat_category_code": category["BT-151"],
        **({"vat_rate": category["BT-152"]} if "BT-152" in category else {}),
    }


def _line(place: int, item: InvoiceItem) -> Terms:
    counted = counted_line(item)
    return {
        "BT-126": str(place),
        "BT-129": number_text(counted.quantity),
        "BT-130": counted.unit,
        "BT-131": amount_text(item.net),
        "BT-146": number_text(counted.price, least=2),
        **({"BT-149": number_text(counted.base)} if counted.base is not None else {}),
        "BT-153": clean_text(phrase(item.description)),
        **item_category(item),
    }


def counted_line(item: InvoiceItem) -> _CountedLine:
    """Quantity, price and its base, whose product is the line's net to the cent.

    A price is never below zero (BR-27): what is given back is a quantity below zero.
    """
    net = item.net
    sign = -1 if net < 0 else 1
    if not item.is_counted or not item.quantity or (net and (item.quantity > 0) != (net > 0)):
        return _CountedLine(Decimal(sign), ONE, abs(net), None)
    unit, price = unit_of(item), abs(item.unit_price)
    with localcontext(EXACT):
        product = (item.quantity * price).quantize(CENT, rounding=ROUND_HALF_UP)
    if product == net:
        return _CountedLine(item.quantity, unit, price, None)
    return _CountedLine(item.quantity, unit, abs(net), abs(item.quantity))


def _breakdown(taxes: Sequence[InvoiceTax]) -> list[Terms]:
    return [
        {
            "BT-116": amount_text(tax.base),
            "BT-117": amount_text(tax.tax),
            **tax_category(tax.category, tax.rate, tax),
        }
        for tax in taxes
    ]
