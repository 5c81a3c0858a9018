"""What dj-stripe's signals set off."""

from functools import partial
from typing import Any

from django.dispatch import receiver
from django.utils import timezone as clock
from djstripe.models import WebhookEventTrigger
from djstripe.signals import webhook_post_validate, webhook_pre_process

from invoices.webhooks.acceptance import Refused, check_mode, check_signature, valid_secrets
from invoices.webhooks.processing import process


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
