"""What payments follow: invoices that are issued, billing details that change."""

import datetime as dt
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import transaction
from django.dispatch import receiver

from billing.queue import enqueue
from billing.signals import billing_details_changed
from invoices.payments.services import customers, stripe_sync
from invoices.payments.services.settle.credit import spend_credit
from invoices.signals import invoices_issued


@receiver(invoices_issued, dispatch_uid="bring issued invoices into Stripe")
def sync_when_issued(
    sender: Any, *, invoice_ids: Sequence[UUID], now: dt.datetime, **kwargs: Any
) -> None:
    spend_credit(invoice_ids, now=now)
    stripe_sync.begin_syncs(invoice_ids=invoice_ids, now=now)
    ids = [str(pk) for pk in invoice_ids]
    transaction.on_commit(lambda: enqueue("payments.sync_invoices", ids))


@receiver(billing_details_changed, dispatch_uid="send changed details to Stripe")
def send_changed_details(
    sender: Any, *, workspace_id: UUID, now: dt.datetime, **kwargs: Any
) -> None:
    stripe_sync.retry_refused_syncs(workspace_id=workspace_id, now=now)
    customers.note_details_changed(workspace_id=workspace_id, now=now)
