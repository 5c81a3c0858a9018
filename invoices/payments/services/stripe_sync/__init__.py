"""Bringing an invoice into Stripe: once, exactly, whatever fails on the way."""

from invoices.payments.services.stripe_sync.retries import (
    NotBlocked,
    due_syncs,
    retry_refused_syncs,
    retry_sync,
)
from invoices.payments.services.stripe_sync.runner import SyncResult, sync_invoice

__all__ = [
    "NotBlocked",
    "SyncResult",
    "due_syncs",
    "retry_refused_syncs",
    "retry_sync",
    "sync_invoice",
]
