"""Credit notes as finance makes them."""

import datetime as dt
from decimal import Decimal

from invoices.models import CreditNote, Invoice
from invoices.payments.services.credit_notes import approve_and_issue, draft_credit_note

NOVEMBER_5 = dt.datetime(2026, 11, 5, 12, tzinfo=dt.UTC)


def draft_note(
    invoice: Invoice, total: str = "20.00", *, rest_to: str = "credit", **facts: object
) -> CreditNote:
    return draft_credit_note(
        invoice_id=invoice.pk,
        total=None if "items" in facts else Decimal(total),
        reason="quality",
        explanation="Two calls were not understandable",
        rest_to=rest_to,
        drafted_by="fiona@platform.test",
        now=NOVEMBER_5,
        **facts,  # type: ignore[arg-type]
    )


def issue_note(invoice: Invoice, total: str = "20.00", **facts: object) -> CreditNote:
    note = draft_note(invoice, total, **facts)  # type: ignore[arg-type]
    return approve_and_issue(credit_note_id=note.pk, by="fiona@platform.test", now=NOVEMBER_5)
