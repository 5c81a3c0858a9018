"""Chargebacks: followed as Stripe tells of them, and answered with evidence from our rows."""

from invoices.payments.services.chargebacks.deciding import (
    NothingToDecide,
    confirm_decision,
    decide_chargeback,
)
from invoices.payments.services.chargebacks.evidence import evidence_for
from invoices.payments.services.chargebacks.sending import (
    NotAnswerable,
    send_evidence,
    submit_evidence,
)
from invoices.payments.services.chargebacks.tracking import note_chargeback

__all__ = [
    "NotAnswerable",
    "NothingToDecide",
    "confirm_decision",
    "decide_chargeback",
    "evidence_for",
    "note_chargeback",
    "send_evidence",
    "submit_evidence",
]
