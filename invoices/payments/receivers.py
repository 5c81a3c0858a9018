"""What payments follow: issued invoices, changed billing details, dj-stripe's webhooks."""

import datetime as dt
from collections.abc import Sequence
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.dispatch import receiver
from django.utils import timezone as clock
from djstripe.models import WebhookEventTrigger
from djstripe.signals import webhook_post_validate, webhook_pre_process

from billing.queue import enqueue
from billing.signals import billing_details_changed
from invoices.payments.services import customers
from invoices.payments.webhooks.processing import process
from invoices.payments.webhooks.verification import (
    Refused,
    check_mode,
    check_signature,
    valid_secrets,
)
from invoices.signals import invoices_issued


@receiver(invoices_issued, dispatch_uid="bring issued invoices into Stripe")
def sync_when_issued(
    sender: Any, *, invoice_ids: Sequence[UUID], now: dt.datetime, **kwargs: Any
) -> None:
    ids = [str(pk) for pk in invoice_ids]
    transaction.on_commit(lambda: enqueue("payments.sync_invoices", ids))


@receiver(billing_details_changed, dispatch_uid="send changed details to Stripe")
def send_changed_details(
    sender: Any, *, workspace_id: UUID, now: dt.datetime, **kwargs: Any
) -> None:
    if customers.note_details_changed(workspace_id=workspace_id, now=now):
        transaction.on_commit(lambda: enqueue("payments.update_customer", str(workspace_id)))


@receiver(webhook_post_validate, dispatch_uid="accept what is stripe's")
def accept_what_is_stripes(sender: Any, *, instance: WebhookEventTrigger, **kwargs: Any) -> None:
    """Decide for dj-stripe, which knows one secret and neither refuses the future nor the mode.

    The guard has done the same before; this holds wherever else the view may be mounted.
    """
    now = clock.now()
    headers = {name.lower(): value for name, value in instance.headers.items()}
    endpoint = instance.webhook_endpoint
    try:
        check_signature(
            body=instance.body,
            header=headers.get("stripe-signature", ""),
            secrets=valid_secrets(endpoint_uuid=endpoint.djstripe_uuid, now=now)
            if endpoint
            else [],
            now=now,
        )
        check_mode(instance.json_body)
    except Refused:
        instance.valid = False
    else:
        instance.valid = True


@receiver(webhook_pre_process, dispatch_uid="process as we do")
def process_as_we_do(sender: Any, *, instance: WebhookEventTrigger, **kwargs: Any) -> None:
    """Have this delivery processed by `processing.process`, which says why.

    dj-stripe's setting for that (`DJSTRIPE_WEBHOOK_EVENT_CALLBACK`) is deprecated in favour of
    its signals, and this is the one sent right before.
    """
    instance.process = partial(process, instance)
