"""Sync one invoice, for tests that kill the process that does."""

import datetime as dt
from uuid import UUID

from invoices.payments.services.stripe_sync import sync_invoice


def main(invoice_id: str, now: str) -> None:
    sync_invoice(invoice_id=UUID(invoice_id), now=dt.datetime.fromisoformat(now))
