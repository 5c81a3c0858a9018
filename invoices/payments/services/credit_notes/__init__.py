"""Credit notes: drafted, approved, issued, or discarded; one named function for each transition."""

from invoices.payments.services.credit_notes.drafting import (
    CreditNoteKeyReused,
    CreditTooLarge,
    NotCreditable,
    approve_credit_note,
    creditable,
    discard_credit_note,
    draft_credit_note,
)
from invoices.payments.services.credit_notes.issuing import (
    NotRefundable,
    approve_and_issue,
    credit_invoice,
    issue_credit_note,
    refundable,
)
from invoices.services.holdings import CREDITABLE

__all__ = [
    "CREDITABLE",
    "CreditNoteKeyReused",
    "CreditTooLarge",
    "NotCreditable",
    "NotRefundable",
    "approve_and_issue",
    "approve_credit_note",
    "credit_invoice",
    "creditable",
    "discard_credit_note",
    "draft_credit_note",
    "issue_credit_note",
    "refundable",
]
