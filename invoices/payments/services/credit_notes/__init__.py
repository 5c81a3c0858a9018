"""Credit notes: drafted, approved, issued, void, discarded; one named function each."""

from invoices.payments.services.credit_notes.drafting import (
    CreditNoteKeyReused,
    CreditTooLarge,
    NotCreditable,
    approve_credit_note,
    creditable,
    discard_credit_note,
    draft_credit_note,
    require_not_issued,
)
from invoices.payments.services.credit_notes.issuing import (
    NotRefundable,
    approve_and_issue,
    credit_invoice,
    issue_credit_note,
    refundable,
)
from invoices.payments.services.credit_notes.voiding import (
    CannotVoid,
    can_be_void,
    confirm_void,
    keep_credit_note,
    void_credit_note,
)
from invoices.services.holdings import CREDITABLE

__all__ = [
    "CREDITABLE",
    "CannotVoid",
    "CreditNoteKeyReused",
    "CreditTooLarge",
    "NotCreditable",
    "NotRefundable",
    "approve_and_issue",
    "approve_credit_note",
    "can_be_void",
    "confirm_void",
    "credit_invoice",
    "creditable",
    "discard_credit_note",
    "draft_credit_note",
    "issue_credit_note",
    "keep_credit_note",
    "refundable",
    "require_not_issued",
    "void_credit_note",
]
