"""What an e-invoice says: a document's frozen rows as the business terms of EN 16931.

The terms (BT-1 the number, BG-25 the lines) are those of the standard, by the names that factur-x
has for them. Every amount is one of the rows' own: nothing is computed anew but sums that the
standard wants beside them. No database.

Discounts and credits below zero are allowances of the document, everything else is a line. Our unit
prices are averages; where quantity times price does not come to the line's net to the cent, the
price is the net itself and the quantity its base, which does.
"""

import datetime as dt
import re
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any, NamedTuple

from django.utils.translation import gettext as _
from stdnum import iban

from billing import months
from billing.money import EXACT, ZERO
from billing.phrases import phrase
from invoices.document import pay_by
from invoices.document_parts import legal_texts
from invoices.einvoices.parties import Parties
from invoices.einvoices.units import ONE, unit_of
from invoices.models import (
    CreditNote,
    CreditNoteItem,
    CreditNoteTax,
    Invoice,
    InvoiceItem,
    InvoiceTax,
)

Terms = dict[str, Any]
_Kind = InvoiceItem.Kind
_CENT = Decimal("0.01")
_INVOICE, _CREDIT_NOTE = "380", "381"
_DISCOUNT = "95"
# What a document without tax is to a tax office (UNTDID 5305), and why (VATEX).
_NOT_SUBJECT = "O"
_NOT_SUBJECT_CODE = "VATEX-EU-O"
_ALLOWED = (_Kind.DISCOUNT, _Kind.CREDIT, _Kind.MANUAL)
# Payment means (UNTDID 4461).
_CREDIT_TRANSFER, _SEPA, _ONLINE, _CLEARING, _UNDEFINED = "30", "58", "68", "97", "1"
_SEPA_COUNTRIES = frozenset(
    "AD AT BE BG CH CY CZ DE DK EE ES FI FR GB GI GR HR HU IE IS IT LI LT LU LV MC MT NL NO PL PT"
    " RO SE SI SK SM VA".split()
)
# Characters that XML 1.0 cannot hold.
_UNFIT = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class _Counted(NamedTuple):
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
    allowances = [item for item in items if _is_allowance(item) and item.net]
    earlier = invoice.corrects or invoice.replaces
    replaced = [f"{_('Replaces')}: {invoice.replaces.number}"] if invoice.replaces else []
    first, last = _days(invoice)
    return {
        **_head(invoice.number, invoice.issued_on, _INVOICE, invoice.currency, parties),
        **_supplied(first, last),
        "BT-9": invoice.due_date,
        **_note([*legal_texts(taxes, parties["seller"]["legal_text"]), *replaced]),
        **({"BG-3": [_preceding(earlier)]} if earlier else {}),
        **_payment(invoice, parties["seller"]),
        "BG-20": [_allowance(item) for item in allowances],
        "BG-23": _breakdown(taxes) if taxes else _untaxed(invoice.net),
        **_totals(
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
        **_head(note.number, issued_on, _CREDIT_NOTE, note.currency, parties),
        **_supplied(first, last),
        **_note(
            [phrase(note.explanation), *legal_texts(invoice_taxes, parties["seller"]["legal_text"])]
        ),
        "BG-3": [_preceding(invoice)],
        "BT-20": _("There is nothing to pay."),
        "BT-81": _UNDEFINED if note.to_refund or note.to_out_of_band else _CLEARING,
        "BG-23": [
            {
                "BT-116": _amount(tax.base),
                "BT-117": _amount(tax.tax),
                **_category(tax.category, tax.rate, texts.get(tax.category)),
            }
            for tax in taxed
        ]
        or _untaxed(note.net),
        **_totals(lines=note.net, allowances=ZERO, net=note.net, tax=note.tax, total=note.total),
        "BG-25": [
            {
                "BT-126": str(place),
                "BT-129": "1",
                "BT-130": ONE,
                "BT-131": _amount(line.net),
                "BT-146": _amount(line.net),
                "BT-153": _text(phrase(line.item.description)),
                **_item_category(line.item),
            }
            for place, line in enumerate(items, start=1)
        ],
    }


def _head(number: str, day: dt.date, kind: str, currency: str, parties: Parties) -> Terms:
    return {
        "BT-1": number,
        "BT-2": day,
        "BT-3": kind,
        "BT-5": currency,
        "BT-23": "urn:fdc:peppol.eu:2017:poacc:billing:01:1.0",
        **_given({"BT-10": parties["buyer_reference"], "BT-13": parties["order_number"]}),
        "BG-4": _seller(parties["seller"]),
        "BG-7": _buyer(parties["buyer"]),
    }


def _seller(seller: dict[str, str]) -> Terms:
    contact = {name: seller[key] for name, key in _CONTACT if seller[key]}
    return {
        **_given(
            {
                "name": seller["name"],
                "legal_identifier": seller["legal_id"],
                "vat_identifier": seller["vat_number"],
                "tax_identifier": seller["tax_id"],
                "addr_l1": seller["street"],
                "addr_l2": seller["line2"],
                "postcode": seller["postal_code"],
                "city": seller["city"],
                "country_subdivision": seller["state"],
                "country_code": seller["country"],
                "einvoicing_addr": seller["address"],
                "einvoicing_addr_schemeid": seller["scheme"] if seller["address"] else "",
            }
        ),
        "contacts": [contact] if contact else [],
    }


_CONTACT = (("name", "contact"), ("phone", "phone"), ("email", "email"))


def _buyer(buyer: dict[str, str]) -> Terms:
    return _given(
        {
            "name": buyer["name"],
            "legal_identifier": buyer["legal_id"],
            "vat_identifier": buyer["vat_number"],
            "addr_l1": buyer["line1"],
            "addr_l2": buyer["line2"],
            "postcode": buyer["postal_code"],
            "city": buyer["city"],
            "country_subdivision": buyer["state"],
            "country_code": buyer["country"],
            "einvoicing_addr": buyer["address"],
            "einvoicing_addr_schemeid": buyer["scheme"] if buyer["address"] else "",
        }
    )


def _days(invoice: Invoice) -> tuple[dt.date | None, dt.date]:
    """The first day of what it bills, where it bills a period, and the last."""
    period, zone = invoice.billing_period, invoice.workspace.zone
    if period is None and invoice.corrects is not None:
        period = invoice.corrects.billing_period
    if period is None:
        return None, invoice.issued_on
    return months.first_and_last_day(period.period_start, period.period_end, zone)


def _supplied(first: dt.date | None, last: dt.date) -> Terms:
    return {"BT-72": last, **({"BT-73": first, "BT-74": last} if first else {})}


def _note(texts: Sequence[str]) -> Terms:
    """One note: Peppol takes no second one."""
    text = "\n".join(_text(text) for text in texts if text.strip())
    return {"BG-1": [{"BT-22": text}]} if text else {}


def _preceding(invoice: Invoice) -> Terms:
    return {"BT-25": invoice.number, "BT-26": invoice.issued_on}


def _payment(invoice: Invoice, seller: dict[str, str]) -> Terms:
    if invoice.is_charged_automatically:
        return {
            "BT-20": _(
                "Your payment method on file is charged automatically. There is nothing to do."
            ),
            "BT-81": _ONLINE,
            "BT-83": invoice.number,
        }
    terms = {"BT-20": pay_by(invoice), "BT-83": invoice.number}
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
        **_given({"BT-85": seller["name"], "BT-86": seller["bic"]}),
    }


def _is_allowance(item: InvoiceItem) -> bool:
    return item.kind in _ALLOWED and item.net <= 0


def _allowance(item: InvoiceItem) -> Terms:
    category = _item_category(item)
    return {
        "amount": _amount(-item.net),
        "reason": _text(phrase(item.description)),
        **({"reason_code": _DISCOUNT} if item.kind == _Kind.DISCOUNT else {}),
        "vat_category_code": category["BT-151"],
        **({"vat_rate": category["BT-152"]} if "BT-152" in category else {}),
    }


def _line(place: int, item: InvoiceItem) -> Terms:
    counted = counted_line(item)
    return {
        "BT-126": str(place),
        "BT-129": _number(counted.quantity),
        "BT-130": counted.unit,
        "BT-131": _amount(item.net),
        "BT-146": _number(counted.price, least=2),
        **({"BT-149": _number(counted.base)} if counted.base is not None else {}),
        "BT-153": _text(phrase(item.description)),
        **_item_category(item),
    }


def counted_line(item: InvoiceItem) -> _Counted:
    """Quantity, price and its base, whose product is the line's net to the cent.

    A price is never below zero (BR-27): what is given back is a quantity below zero.
    """
    net = item.net
    sign = -1 if net < 0 else 1
    if not item.is_counted or not item.quantity or (net and (item.quantity > 0) != (net > 0)):
        return _Counted(Decimal(sign), ONE, abs(net), None)
    unit, price = unit_of(item), abs(item.unit_price)
    with localcontext(EXACT):
        product = (item.quantity * price).quantize(_CENT, rounding=ROUND_HALF_UP)
    if product == net:
        return _Counted(item.quantity, unit, price, None)
    return _Counted(item.quantity, unit, abs(net), abs(item.quantity))


def _item_category(item: InvoiceItem) -> Terms:
    if not item.tax_category:
        return {"BT-151": _NOT_SUBJECT}
    return {"BT-151": item.tax_category, "BT-152": _number(item.tax_rate or ZERO)}


def _breakdown(taxes: Sequence[InvoiceTax]) -> list[Terms]:
    return [
        {
            "BT-116": _amount(tax.base),
            "BT-117": _amount(tax.tax),
            **_category(tax.category, tax.rate, tax),
        }
        for tax in taxes
    ]


def _category(category: str, rate: Decimal, reason: InvoiceTax | None) -> Terms:
    return {
        "BT-118": category,
        "BT-119": _number(rate),
        **(_given({"BT-120": reason.text, "BT-121": reason.reason_code}) if reason else {}),
    }


def _untaxed(net: Decimal) -> list[Terms]:
    return [
        {
            "BT-116": _amount(net),
            "BT-117": _amount(ZERO),
            "BT-118": _NOT_SUBJECT,
            "BT-119": _number(ZERO),
            "BT-120": _("Not subject to VAT."),
            "BT-121": _NOT_SUBJECT_CODE,
        }
    ]


def _totals(
    *, lines: Decimal, allowances: Decimal, net: Decimal, tax: Decimal, total: Decimal
) -> Terms:
    """As of the day of issue: what is paid or credited later is on documents of its own."""
    return {
        "BT-106": _amount(lines),
        **({"BT-107": _amount(allowances)} if allowances else {}),
        "BT-109": _amount(net),
        "BT-110": _amount(tax),
        "BT-112": _amount(total),
        "BT-115": _amount(total),
    }


def _amount(amount: Decimal) -> str:
    """Whole charge steps have no more than two decimals."""
    with localcontext(EXACT):
        return f"{amount.quantize(_CENT):f}"


def _number(number: Decimal, *, least: int = 0) -> str:
    """Plain, without zeros that say nothing."""
    text = f"{number:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    whole, _point, decimals = text.partition(".")
    return f"{whole}.{decimals.ljust(least, '0')}" if decimals or least else whole


def _text(text: str) -> str:
    return _UNFIT.sub("", text).strip()


def _given(terms: dict[str, str]) -> Terms:
    return {name: _text(text) for name, text in terms.items() if _text(text)}
