"""Credit notes for usage of closed months that was taken back: made by the close, or at once."""

import datetime as dt
from collections.abc import Collection
from uuid import UUID

from django.db import transaction

from billing.models import BillingPeriod
from invoices.models import CreditNote
from invoices.payments.services.credit_notes.drafting import approve_credit_note, draft_credit_note
from invoices.payments.services.credit_notes.issuing import issue_credit_note
from invoices.services.closing.reversals import OwedNote, link_records

# Who drafts and approves what follows from reversals that people have made.
MONTH_END = "month end"
RULE = "rule: late reversals"


def credit_late_reversals(owed: OwedNote, period: BillingPeriod, *, now: dt.datetime) -> CreditNote:
    """The note that a period's close makes of late reversals, in its transaction: one for each
    invoice and period. What is paid already becomes the customer's credit, which the period's own
    invoice uses."""
    months = sorted({each.usage_month for each in owed.items})
    named = ", ".join(f"{month:%B %Y}" for month in months)
    return credit_reversals(
        owed,
        period,
        reason=CreditNote.Reason.LATE_REVERSAL,
        explanation=f"Usage of {named} that was taken back after it was billed",
        drafted_by=MONTH_END,
        approved_by=RULE,
        key=f"reversals:{period.pk}:{owed.invoice_id}",
        now=now,
    )


def credit_reversals(
    owed: OwedNote,
    period: BillingPeriod,
    *,
    reason: str,
    explanation: str,
    drafted_by: str,
    approved_by: str,
    key: str,
    now: dt.datetime,
    rest_to: str = CreditNote.RestTo.CREDIT,
    record_ids: Collection[UUID] | None = None,
) -> CreditNote:
    """Issue what is owed as one note, its records behind its lines; raises as issuing does."""
    with transaction.atomic():
        note = draft_credit_note(
            invoice_id=owed.invoice_id,
            items={each.item_id: each.net for each in owed.items},
            reason=reason,
            explanation=explanation,
            rest_to=rest_to,
            key=key,
            drafted_by=drafted_by,
            now=now,
        )
        link_records(note, owed, period, record_ids=record_ids)
        approve_credit_note(credit_note_id=note.pk, by=approved_by, now=now)
        return issue_credit_note(credit_note_id=note.pk, by=approved_by, now=now)
