"""Forgetting old webhooks, so that their tables stay small."""

import datetime as dt

from django.db.models import Q
from djstripe.models import Event, WebhookEventTrigger

from invoices.payments.models import HandledEvent, RetiringWebhookSecret

# Stripe delivers an event again for up to three days, and by hand for thirty.
KEEP_REFUSED = dt.timedelta(days=7)
KEEP_DELIVERIES = dt.timedelta(days=60)
KEEP_EVENTS = dt.timedelta(days=400)


def prune(*, now: dt.datetime) -> dict[str, int]:
    """Delete what nobody will ask for again; how many rows of what."""
    deliveries = WebhookEventTrigger.objects.filter(
        Q(created__lt=now - KEEP_DELIVERIES) | Q(valid=False, created__lt=now - KEEP_REFUSED)
    )
    return {
        "deliveries": deliveries.delete()[0],
        "events": Event.objects.filter(djstripe_created__lt=now - KEEP_EVENTS).delete()[0],
        "receipts": HandledEvent.objects.filter(handled_at__lt=now - KEEP_EVENTS).delete()[0],
        "secrets": RetiringWebhookSecret.objects.filter(valid_until__lt=now).delete()[0],
    }
