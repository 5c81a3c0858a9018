"""Disputes of calls: opened by owners, decided by finance or by rule, withdrawn."""

from invoices.payments.services.call_disputes.deciding import (
    NotOpen,
    approve_dispute,
    refuse_dispute,
    require_open,
    withdraw_dispute,
)
from invoices.payments.services.call_disputes.opening import AlreadyDisputed, open_dispute

__all__ = [
    "AlreadyDisputed",
    "NotOpen",
    "approve_dispute",
    "open_dispute",
    "refuse_dispute",
    "require_open",
    "withdraw_dispute",
]
