"""Credit notes: drafted, approved, issued, or discarded; one named function for each transition."""

from invoices.payments.services.credit_notes.drafting import (
    CREDITABLE,
    CreditNoteKeyReused,
    CreditTooLarge,
    NotCreditable,
    approve_credit_note,
    creditable,
    discard_credit_note,
    draft_credit_note,
    needs_second_person,
)
from invoices.payments.services.credit_notes.issuing import (
    NotRefundable,
    issue_credit_note,
    refundable,
)

__all__ = [
    "CREDITABLE",
    "CreditNoteKeyReused",
    "CreditTooLarge",
    "NotCreditable",
    "NotRefundable",
    "approve_credit_note",
    "creditable",
    "discard_credit_note",
    "draft_credit_note",
    "issue_credit_note",
    "needs_second_person",
    "refundable",
]
