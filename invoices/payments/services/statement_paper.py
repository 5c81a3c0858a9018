"""A customer's statement as PDF, in the invoice's own form."""

import datetime as dt
from typing import Any

from django.utils.translation import gettext as _

from billing.formats import date_range, long_date, money, word
from billing.issuers import Issuer, issuer_of
from billing.languages import in_language
from invoices.bill_to import bill_to
from invoices.document_parts import addressee, frame, sender
from invoices.glyphs import printable
from invoices.payments.services.statements import Statement
from invoices.pdf import render_document


def render_statement(made: Statement) -> bytes:
    # The same days give the same bytes.
    midnight = dt.datetime.combine(made.last, dt.time(), dt.UTC)
    workspace = made.workspace
    with in_language(workspace.language):
        document = _document(made, issuer_of(workspace.issuing_entity))
        return render_document(document, timestamp=max(int(midnight.timestamp()), 0))


def _document(made: Statement, issuer: Issuer) -> dict[str, Any]:
    currency = made.currency
    return {
        **frame(_("Statement"), date_range(made.first, made.last), issuer),
        "issuer": sender(issuer, tax_id=issuer.tax_id),
        "bill_to": addressee(**bill_to(made.workspace)),
        "facts": [
            [_("From"), long_date(made.first)],
            [_("To"), long_date(made.last)],
            [_("Opening balance"), money(made.opening, currency)],
            [_("Closing balance"), money(made.closing, currency)],
            [_("Currency"), currency],
        ],
        "headline": {
            "label": _("Closing balance"),
            "amount": money(made.closing, currency),
            "note": _meaning(made),
            "stamp": "",
            "tone": "normal" if made.closing > 0 else "good",
        },
        "items": [
            {
                "description": printable(
                    f"{long_date(line.day)}: {word(line.text)} {line.reference}"
                ),
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
                "label": _("Opening balance"),
                "amount": money(made.opening, currency),
                "strong": False,
            },
            {
                "label": _("Closing balance"),
                "amount": money(made.closing, currency),
                "strong": True,
            },
        ],
        "legal": [],
        "notes": [
            *filter(None, [charged_back(made)]),
            _(
                "Invoices and money sent back to you raise the balance; payments and credit notes"
                " lower it. A balance below zero is to your credit."
            ),
        ],
        "payment": {
            "title": _("Questions?"),
            "text": _("Write to {email}.").format(email=printable(issuer.email)),
            "url": "",
            "link": "",
        },
    }


def charged_back(made: Statement) -> str:
    """Why what the bank has taken back is owed and not asked for; empty where there is none."""
    if not made.charged_back:
        return ""
    text = _(
        "{amount} of this is a payment that the bank has taken back. It is not asked for until the"
        " bank has decided."
    )
    return text.format(amount=money(made.charged_back, made.currency))


def _meaning(made: Statement) -> str:
    balance = made.closing
    if balance > 0 and balance <= made.charged_back:
        return _("Charged back: the bank decides")
    if not balance:
        return _("Nothing is owed")
    return _("You owe this") if balance > 0 else _("This is to your credit")
