"""Keeping dj-stripe's copies of Stripe's objects fresh, apart from what the events do here.

dj-stripe's own handlers ask Stripe for the object and store it. They run after the event was
handled, in a task, because they wait for the network and do not understand every object; a copy
that cannot be refreshed is logged and costs nothing but that copy.
"""

import logging

from django.core.cache import cache
from django.core.exceptions import ObjectDoesNotExist
from django.db import DatabaseError
from djstripe.models import Event, Refund
from stripe import Refund as StripeRefund
from stripe import StripeError

from billing.queue import enqueue
from invoices.payments.services.payloads import text

log = logging.getLogger(__name__)

# Several events about an object come within seconds, and one look at it serves them all.
_GATHER_SECONDS = 5
_UNREADABLE = (
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    ObjectDoesNotExist,
    DatabaseError,
    StripeError,
)


def request_mirror(event: Event) -> None:
    """Have the event's object copied soon, once for all events about it that come meanwhile."""
    if _is_first(event):
        enqueue("payments.mirror_stripe_event", event.id, countdown=_GATHER_SECONDS)


def mirror(*, event_id: str) -> bool:
    """Refresh dj-stripe's copy of what the event is about; whether that worked."""
    event = Event.objects.get(id=event_id)
    cache.delete(_flag(event))
    try:
        if event.category == "refund":
            # dj-stripe has the model, but no handler for these events.
            _mirror_refund(event)
        else:
            event.invoke_webhook_handlers()
    except _UNREADABLE as error:
        log.warning("dj-stripe cannot mirror %s %s: %r", event.type, event.id, error)
        return False
    return True


def _mirror_refund(event: Event) -> None:
    refund = StripeRefund.retrieve(event.data["object"]["id"], api_key=event.default_api_key)
    Refund.sync_from_stripe_data(refund, api_key=event.default_api_key)


def _is_first(event: Event) -> bool:
    if event.type.endswith("deleted"):
        return True
    return bool(cache.add(_flag(event), 1, timeout=10 * _GATHER_SECONDS))


def _flag(event: Event) -> str:
    return f"stripe-mirror:{text(event.data['object'].get('id')) or event.id}"
