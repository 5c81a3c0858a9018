"""Bringing an invoice into Stripe: once, exactly, whatever fails on the way."""

from invoices.payments.services.stripe_sync.plan import begin_syncs
from invoices.payments.services.stripe_sync.retries import (
    SYNCS,
    retry_refused_syncs,
    retry_sync,
)
from invoices.payments.services.stripe_sync.runner import SyncResult, sync_invoice

__all__ = [
    "SYNCS",
    "SyncResult",
    "begin_syncs",
    "retry_refused_syncs",
    "retry_sync",
    "sync_invoice",
]
