"""Terms that every e-invoice has: number and parties, tax categories, totals; amounts as text.

Their names are those of EN 16931, as in `invoices/einvoices/content.py`.
"""

import datetime as dt
import re
from collections.abc import Sequence
from decimal import Decimal, localcontext
from typing import Any

from django.utils.translation import gettext as _

from billing.money import EXACT, ZERO
from invoices.einvoices.parties import Parties
from invoices.models import Invoice, InvoiceItem, InvoiceTax

Terms = dict[str, Any]
CENT = Decimal("0.01")
# What a document without tax is to a tax office (UNTDID 5305), and why (VATEX).
_NOT_SUBJECT = "O"
_NOT_SUBJECT_CODE = "VATEX-EU-O"
# Characters that XML 1.0 cannot hold.
_UNFIT = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def head(number: str, day: dt.date, kind: str, currency: str, parties: Parties) -> Terms:
    return {
        "BT-1": number,
        "BT-2": day,
        "BT-3": kind,
        "BT-5": currency,
        "BT-23": "urn:fdc:peppol.eu:2017:poacc:billing:01:1.0",
        **given({"BT-10": parties["buyer_reference"], "BT-13": parties["order_number"]}),
        "BG-4": _seller(parties["seller"]),
        "BG-7": _buyer(parties["buyer"]),
    }


def _seller(seller: dict[str, str]) -> Terms:
    contact = {name: seller[key] for name, key in _CONTACT if seller[key]}
    return {
        **given(
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
    return given(
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


def supplied(first: dt.date | None, last: dt.date) -> Terms:
    return {"BT-72": last, **({"BT-73": first, "BT-74": last} if first else {})}


def note_terms(texts: Sequence[str]) -> Terms:
    """One note: Peppol takes no second one."""
    text = "\n".join(clean_text(text) for text in texts if text.strip())
    return {"BG-1": [{"BT-22": text}]} if text else {}


def preceding(invoice: Invoice) -> Terms:
    return {"BT-25": invoice.number, "BT-26": invoice.issued_on}


def item_category(item: InvoiceItem) -> Terms:
    if not item.tax_category:
        return {"BT-151": _NOT_SUBJECT}
    return {"BT-151": item.tax_category, "BT-152": number_text(item.tax_rate or ZERO)}


def tax_category(category: str, rate: Decimal, reason: InvoiceTax | None) -> Terms:
    return {
        "BT-118": category,
        "BT-119": number_text(rate),
        **(given({"BT-120": reason.text, "BT-121": reason.reason_code}) if reason else {}),
    }


def untaxed(net: Decimal) -> list[Terms]:
    return [
        {
            "BT-116": amount_text(net),
            "BT-117": amount_text(ZERO),
            "BT-118": _NOT_SUBJECT,
            "BT-119": number_text(ZERO),
            "BT-120": _("Not subject to VAT."),
            "BT-121": _NOT_SUBJECT_CODE,
        }
    ]


def totals(
    *, lines: Decimal, allowances: Decimal, net: Decimal, tax: Decimal, total: Decimal
) -> Terms:
    """As of the day of issue: what is paid or credited later is on documents of its own."""
    return {
        "BT-106": amount_text(lines),
        **({"BT-107": amount_text(allowances)} if allowances else {}),
        "BT-109": amount_text(net),
        "BT-110": amount_text(tax),
        "BT-112": amount_text(total),
        "BT-115": amount_text(total),
    }


def amount_text(amount: Decimal) -> str:
    """Whole charge steps have no more than two decimals."""
    with localcontext(EXACT):
        return f"{amount.quantize(CENT):f}"


def number_text(number: Decimal, *, least: int = 0) -> str:
    """Plain, without zeros that say nothing."""
    text = f"{number:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    whole, _point, decimals = text.partition(".")
    return f"{whole}.{decimals.ljust(least, '0')}" if decimals or least else whole


def clean_text(text: str) -> str:
    return _UNFIT.sub("", text).strip()


def given(terms: dict[str, str]) -> Terms:
    return {name: clean_text(text) for name, text in terms.items() if clean_text(text)}
