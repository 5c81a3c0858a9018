"""Getting invoices paid: the schedule of reminders and suspensions, and what staff may do."""

from invoices.payments.services.collection.actions import (
    ACTIONS,
    ActionPending,
    NotAllowedNow,
    allowed_actions,
    carry_out,
    charge,
    mark_invoice_uncollectible,
    retry_payment,
    try_action_again,
    void_invoice,
)
from invoices.payments.services.collection.schedule import CollectionSummary, collect

__all__ = [
    "ACTIONS",
    "ActionPending",
    "CollectionSummary",
    "NotAllowedNow",
    "allowed_actions",
    "carry_out",
    "charge",
    "collect",
    "mark_invoice_uncollectible",
    "retry_payment",
    "try_action_again",
    "void_invoice",
]
