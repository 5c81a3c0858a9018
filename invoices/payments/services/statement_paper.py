"""A customer's statement as PDF, in the invoice's own form."""

import datetime as dt
from decimal import Decimal
from typing import Any

from billing.formats import money
from invoices.document import Issuer, addressee, long_date, sender
from invoices.glyphs import printable
from invoices.payments.services.statements import Statement
from invoices.pdf import issuer_named, render_document
from invoices.services.closing.issue import bill_to


def render_statement(made: Statement) -> bytes:
    # The same days give the same bytes.
    midnight = dt.datetime.combine(made.last, dt.time(), dt.UTC)
    document = _document(made, issuer_named())
    return render_document(document, timestamp=max(int(midnight.timestamp()), 0))


def _document(made: Statement, issuer: Issuer) -> dict[str, Any]:
    currency = made.currency
    return {
        "title": "Statement",
        "number": f"{long_date(made.first)} \N{EN DASH} {long_date(made.last)}",
        "issuer": sender(issuer, tax_id=issuer.tax_id),
        "bill_to": addressee(**bill_to(made.workspace)),
        "facts": [
            ["From", long_date(made.first)],
            ["To", long_date(made.last)],
            ["Opening balance", money(made.opening, currency)],
            ["Closing balance", money(made.closing, currency)],
            ["Currency", currency],
        ],
        "headline": {
            "label": "Closing balance",
            "amount": money(made.closing, currency),
            "note": _meaning(made.closing),
            "stamp": "",
            "tone": "normal" if made.closing > 0 else "good",
        },
        "items": [
            {
                "description": printable(f"{long_date(line.day)}: {line.text} {line.reference}"),
                "quantity": "",
                "unit": "",
                "unit_price": "",
                "amount": money(line.amount, currency),
                "details": [],
            }
            for line in made.lines
        ],
        "totals": [
            {
                "label": "Opening balance",
                "amount": money(made.opening, currency),
                "strong": False,
            },
            {"label": "Closing balance", "amount": money(made.closing, currency), "strong": True},
        ],
        "legal": [],
        "notes": [
            "Invoices and money sent back to you raise the balance; payments and credit notes"
            " lower it. A balance below zero is to your credit."
        ],
        "payment": {
            "title": "Questions?",
            "text": f"Write to {printable(issuer.email)}.",
            "url": "",
            "link": "",
        },
    }


def _meaning(balance: Decimal) -> str:
    if not balance:
        return "Nothing is owed"
    return "You owe this" if balance > 0 else "This is to your credit"
