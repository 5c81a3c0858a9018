"""A credit note as the words and numbers on its paper, in the invoice's own form. No database."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _

from billing import months
from billing.formats import long_date, money, word
from billing.issuers import Issuer
from billing.phrases import phrase
from invoices.document_parts import (
    frame,
    given_by_customer,
    legal_texts,
    parties,
    questions,
)
from invoices.glyphs import printable
from invoices.models import CreditNote, CreditNoteItem, CreditNoteTax, InvoiceTax


def credit_note_document(
    note: CreditNote,
    items: Sequence[CreditNoteItem],
    taxes: Sequence[CreditNoteTax],
    *,
    invoice_taxes: Sequence[InvoiceTax],
    issuer: Issuer,
) -> dict[str, Any]:
    """What the invoice's template sets. The invoice says to whom it is, and what the law wants."""
    invoice, currency = note.invoice, note.currency
    assert note.issued_at is not None
    issued_on = long_date(months.local_date(note.issued_at, note.workspace.zone))
    total_label = _("Total {currency}").format(currency=currency)
    rows = [(total_label, note.total), *_places(note)]
    # Lines that nothing was decided on about tax have a rate without a category.
    if any(tax.category for tax in taxes):
        form = _("{tax} on {base}")
        of_rates = [
            (form.format(tax=tax.label, base=money(tax.base, currency)), tax.tax) for tax in taxes
        ]
        rows = [(_("Net, before tax"), note.net), *of_rates, *rows]
    return {
        **frame(_("Credit note"), str(note.number), issuer),
        **parties(invoice, issuer),
        "facts": [
            [_("Credit note number"), note.number],
            [_("Issue date"), issued_on],
            [_("For invoice"), invoice.number],
            [_("Invoice date"), long_date(invoice.issued_on)],
            *given_by_customer(invoice),
            [_("Currency"), currency],
        ],
        "headline": {
            "label": _("Credited to you"),
            "amount": money(note.total, currency),
            "note": printable(_note(note)),
            "stamp": _("Void") if note.is_void else "",
            "tone": "bad" if note.is_void else "good",
        },
        "items": [
            {
                "description": printable(phrase(line.item.description)),
                "quantity": "",
                "unit": "",
                "unit_price": "",
                "amount": money(line.net, currency),
                "details": [],
            }
            for line in items
        ],
        "totals": [
            {
                "label": printable(label),
                "amount": money(amount, currency),
                "strong": label == total_label,
            }
            for label, amount in rows
        ],
        "legal": [printable(text) for text in legal_texts(invoice_taxes, issuer.legal_text)],
        "notes": [],
        "payment": {
            "title": _("There is nothing to do"),
            "text": questions(issuer, str(note.number)),
            "url": "",
            "link": "",
        },
    }


def _note(note: CreditNote) -> str:
    if note.is_void:
        return _("It is void: {reason}").format(reason=note.void_reason)
    return f"{word(note.get_reason_display())}: {phrase(note.explanation)}"


def _places(note: CreditNote) -> list[tuple[str, Decimal]]:
    """Where it goes, and how much."""
    places = [
        (_("Taken off {number}").format(number=note.invoice.number), note.to_open),
        (_("Refunded to your card or account"), note.to_refund),
        (_("To your credit, for the next invoice"), note.to_credit),
        (_("Sent back to you"), note.to_out_of_band),
    ]
    return [(label, amount) for label, amount in places if amount]
