"""A credit note as the words and numbers on its paper, in the invoice's own form. No database."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from billing.formats import money
from invoices.document import Issuer, legal_texts, long_date, parties
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
    zone = note.workspace.zone
    assert note.issued_at is not None
    issued_on = long_date(note.issued_at.astimezone(zone).date())
    rows = [(f"Total {currency}", note.total), *_places(note)]
    # Lines that nothing was decided on about tax have a rate without a category.
    if any(tax.category for tax in taxes):
        of_rates = [(f"{tax} on {money(tax.base, currency)}", tax.tax) for tax in taxes]
        rows = [("Net, before tax", note.net), *of_rates, *rows]
    return {
        "title": "Credit note",
        "number": note.number,
        **parties(invoice, issuer),
        "facts": [
            ["Credit note number", note.number],
            ["Issue date", issued_on],
            ["For invoice", invoice.number],
            ["Invoice date", long_date(invoice.issued_on)],
            ["Currency", currency],
        ],
        "headline": {
            "label": "Credited to you",
            "amount": money(note.total, currency),
            "note": printable(f"{note.get_reason_display()}: {note.explanation}"),
            "stamp": "",
            "tone": "good",
        },
        "items": [
            {
                "description": printable(line.item.description),
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
                "strong": label.startswith("Total "),
            }
            for label, amount in rows
        ],
        "legal": [printable(text) for text in legal_texts(invoice_taxes)],
        "notes": [],
        "payment": {
            "title": "There is nothing to do",
            "text": f"Questions? Write to {printable(issuer.email)} and name {note.number}.",
            "url": "",
            "link": "",
        },
    }


def _places(note: CreditNote) -> list[tuple[str, Decimal]]:
    """Where it goes, and how much."""
    places = [
        (f"Taken off {note.invoice.number}", note.to_open),
        ("Refunded to your card or account", note.to_refund),
        ("To your credit, for the next invoice", note.to_credit),
        ("Sent back to you", note.to_out_of_band),
    ]
    return [(label, amount) for label, amount in places if amount]
