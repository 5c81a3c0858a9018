"""What payments follow: invoices that are issued, billing details that change."""

import datetime as dt
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import transaction
from django.dispatch import receiver

from billing.models import BillingPeriod
from billing.queue import enqueue
from billing.signals import account_changes, billing_details_changed
from billing.stripe_accounts import AccountName
from invoices.payments.services import customers, stripe_sync
from invoices.payments.services.credit_notes.reversals import credit_late_reversals
from invoices.payments.services.moving import CardStaysBehind, card_left_behind
from invoices.payments.services.settle.credit import spend_credit
from invoices.services.closing.reversals import OwedNote
from invoices.signals import invoices_issued, reversals_owed


@receiver(invoices_issued, dispatch_uid="bring issued invoices into Stripe")
def sync_when_issued(
    sender: Any, *, invoice_ids: Sequence[UUID], now: dt.datetime, **kwargs: Any
) -> None:
    spend_credit(invoice_ids, now=now)
    stripe_sync.begin_syncs(invoice_ids=invoice_ids, now=now)
    ids = [str(pk) for pk in invoice_ids]
    transaction.on_commit(lambda: enqueue("payments.sync_invoices", ids))


@receiver(reversals_owed, dispatch_uid="credit late reversals")
def credit_when_owed(
    sender: Any, *, owed: Sequence[tuple[BillingPeriod, OwedNote]], now: dt.datetime, **kwargs: Any
) -> None:
    for period, each in owed:
        credit_late_reversals(each, period, now=now)


@receiver(account_changes, dispatch_uid="refuse to leave a card behind")
def refuse_to_leave_a_card(
    sender: Any, *, workspace_id: UUID, before: AccountName, after: AccountName, **kwargs: Any
) -> None:
    if said := card_left_behind(workspace_id, before=before, after=after):
        raise CardStaysBehind(f'{said} Send "card_stays": true to go on.', field="issuing_entity")


@receiver(billing_details_changed, dispatch_uid="send changed details to Stripe")
def send_changed_details(
    sender: Any, *, workspace_id: UUID, now: dt.datetime, **kwargs: Any
) -> None:
    stripe_sync.retry_refused_syncs(workspace_id=workspace_id, now=now)
    customers.note_details_changed(workspace_id=workspace_id, now=now)
