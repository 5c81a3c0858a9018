"""What becomes of an issued invoice: one named function for each transition and each fact.

They are the only code that changes the status of an invoice, or of a period after its close. Each
runs in one transaction, locks workspace, period and invoice in that order, repeats as a no-op and
never moves a status backwards, so that webhooks, sweeps and people may call them in any order.
"""

from invoices.payments.services.settle.balance import (
    carried_in,
    carried_over,
    mark_carried_over,
    note_carried_in,
    note_paid_in_stripe,
)
from invoices.payments.services.settle.payment_entries import (
    note_credit_note,
    note_dispute,
    note_payment,
)
from invoices.payments.services.settle.refunds import note_refund, note_refunded_charge
from invoices.payments.services.settle.transitions import (
    OtherStripeInvoice,
    mark_open,
    mark_overdue,
    mark_paid,
    mark_uncollectible,
    note_finalization_failure,
    note_no_payment_method,
    note_payment_failure,
    suspend_workspace,
)
from invoices.payments.services.settle.voiding import follow_void, mark_void

__all__ = [
    "OtherStripeInvoice",
    "carried_in",
    "carried_over",
    "follow_void",
    "mark_carried_over",
    "mark_open",
    "mark_overdue",
    "mark_paid",
    "mark_uncollectible",
    "mark_void",
    "note_carried_in",
    "note_credit_note",
    "note_dispute",
    "note_finalization_failure",
    "note_no_payment_method",
    "note_paid_in_stripe",
    "note_payment",
    "note_payment_failure",
    "note_refund",
    "note_refunded_charge",
    "suspend_workspace",
]
