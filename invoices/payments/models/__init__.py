from invoices.payments.models.actions import InvoiceAction
from invoices.payments.models.awaited_decisions import AwaitedDecision
from invoices.payments.models.call_disputes import CallDispute
from invoices.payments.models.chargebacks import Chargeback, ChargebackEvidence, ChargebackFile
from invoices.payments.models.credit_note_syncs import CreditNoteStep, CreditNoteSync
from invoices.payments.models.month_records import MonthRecord
from invoices.payments.models.payment_entries import PaymentEntry
from invoices.payments.models.payments import (
    CreditEntry,
    Payment,
    PaymentAllocation,
    PaymentReversal,
)
from invoices.payments.models.proof_runs import ProofRun
from invoices.payments.models.reconciliation import Difference, ReconciliationRun
from invoices.payments.models.reported_payments import ReportedPayment
from invoices.payments.models.stripe_customers import SavedCard, StripeCustomer
from invoices.payments.models.stripe_sync import StripeSync, StripeSyncStep
from invoices.payments.models.webhooks import HandledEvent, RetiringWebhookSecret

__all__ = [
    "AwaitedDecision",
    "CallDispute",
    "Chargeback",
    "ChargebackEvidence",
    "ChargebackFile",
    "CreditEntry",
    "CreditNoteStep",
    "CreditNoteSync",
    "Difference",
    "HandledEvent",
    "InvoiceAction",
    "MonthRecord",
    "Payment",
    "PaymentAllocation",
    "PaymentEntry",
    "PaymentReversal",
    "ProofRun",
    "ReconciliationRun",
    "ReportedPayment",
    "RetiringWebhookSecret",
    "SavedCard",
    "StripeCustomer",
    "StripeSync",
    "StripeSyncStep",
]
