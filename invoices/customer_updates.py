"""Follows changes of a workspace's billing details: its customer in Stripe gets them too."""

import datetime as dt
from typing import Any
from uuid import UUID

from django.db import transaction
from django.dispatch import receiver

from billing.signals import billing_details_changed
from billing.tasks import enqueue
from invoices.services import customers
from invoices.tasks import update_customer


@receiver(billing_details_changed, dispatch_uid="send changed details to Stripe")
def send_changed_details(
    sender: Any, *, workspace_id: UUID, now: dt.datetime, **kwargs: Any
) -> None:
    if customers.note_details_changed(workspace_id=workspace_id, now=now):
        transaction.on_commit(lambda: enqueue(update_customer, str(workspace_id)))
