"""E-mails about credit notes: the document itself, and where its money goes."""

import datetime as dt
import logging
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import typst
from django.utils.translation import gettext as _

from billing.formats import money
from billing.phrases import phrase
from billing.services.emails import Attachment
from billing.services.notifications import Notification
from invoices.models import CreditNote
from invoices.payments.services.payer_mails import invoice_link, mail_to_payer
from invoices.pdf import render_credit_note
from invoices.services.mailing import e_invoice_attachments

log = logging.getLogger(__name__)


def tell_credit_note(note: CreditNote, *, now: dt.datetime) -> None:
    """The document itself, and where its money goes."""
    invoice = note.invoice

    def said() -> Notification:
        places = [
            (note.to_open, _("{amount} less is to be paid.")),
            (
                note.to_refund,
                _("{amount} goes back to what you have paid with; banks take a few days."),
            ),
            (note.to_credit, _("{amount} is your credit: your next invoice uses it.")),
            (note.to_out_of_band, _("{amount} is sent back to you.")),
        ]
        return Notification(
            subject=_("Credit note {note} for invoice {number}").format(
                note=note.number, number=invoice.number
            ),
            **_said_of(note, phrase(note.explanation), places),
        )

    papers = [*_papers(note), *e_invoice_attachments(note)]
    mail_to_payer(invoice, f"credit_note:{note.pk}", said, attachments=papers, now=now)


def tell_credit_note_void(note: CreditNote, *, now: dt.datetime) -> None:
    """What is to be paid again, and which credit is gone."""
    invoice = note.invoice

    def said() -> Notification:
        places = [
            (note.to_open, _("{amount} more is to be paid.")),
            (note.to_credit, _("{amount} is no longer your credit.")),
        ]
        return Notification(
            subject=_("Credit note {note} is void").format(note=note.number),
            **_said_of(note, note.void_reason, places),
        )

    papers = _papers(note)
    mail_to_payer(invoice, f"credit_note_void:{note.pk}", said, attachments=papers, now=now)


def _said_of(note: CreditNote, why: str, places: Sequence[tuple[Decimal, str]]) -> dict[str, Any]:
    """What both say: why, where its amounts go, and what it is about."""
    moved = [text.format(amount=money(amount, note.currency)) for amount, text in places if amount]
    return {
        "paragraphs": [why, *moved],
        "facts": [
            (_("Credit note"), str(note.number)),
            (_("For invoice"), note.invoice.number),
            (_("Amount"), money(note.total, note.currency)),
        ],
        **invoice_link(note.invoice),
    }


def _papers(note: CreditNote) -> list[Attachment]:
    try:
        return [Attachment(f"{note.number}.pdf", "application/pdf", render_credit_note(note))]
    except typst.TypstError:
        log.exception("the PDF of credit note %s cannot be set", note.number)
        return []
