"""Keeping dj-stripe's copies of Stripe's objects fresh, apart from what the events do here.

dj-stripe's own handlers ask Stripe for the object and store it. They run after the event was
handled, in a task, because they wait for the network and do not understand every object; a copy
that cannot be refreshed is logged and costs nothing but that copy.
"""

import logging

import stripe
from django.core.cache import cache
from djstripe.models import Event, Refund

from billing.queue import enqueue
from billing.stripe_accounts import AccountName, secret_key_of
from invoices.payments.services import stripe_client
from invoices.payments.services.mirror import UNREADABLE
from invoices.payments.services.payloads import text

log = logging.getLogger(__name__)

# Several events about an object come within seconds, and one look at it serves them all.
_GATHER_SECONDS = 5


def request_mirror(account: AccountName, event: Event) -> None:
    """Have the event's object copied soon, once for all events about it that come meanwhile."""
    if _is_first(event):
        enqueue("payments.mirror_stripe_event", event.id, account, countdown=_GATHER_SECONDS)


def mirror(account: AccountName, *, event_id: str) -> bool:
    """Refresh dj-stripe's copy of what the event of `account` is about; whether that worked."""
    event = Event.objects.get(id=event_id)
    cache.delete(_flag(event))
    try:
        if event.category == "refund":
            # dj-stripe has the model, but no handler for these events.
            _mirror_refund(account, event)
        elif event.default_api_key != secret_key_of(account):
            # It asks with the key of the event's owner, as far as it knows that: with another
            # account's it would ask there.
            log.warning("dj-stripe has no key of %s to mirror %s with", account, event.id)
            return False
        else:
            event.invoke_webhook_handlers()
    except UNREADABLE as error:
        log.warning("dj-stripe cannot mirror %s %s: %r", event.type, event.id, error)
        return False
    return True


def _mirror_refund(account: AccountName, event: Event) -> None:
    found = stripe_client.get(account, f"/v1/refunds/{event.data['object']['id']}")
    Refund.sync_from_stripe_data(
        stripe.Refund.construct_from(found, None), api_key=secret_key_of(account)
    )


def _is_first(event: Event) -> bool:
    if event.type.endswith("deleted"):
        return True
    return bool(cache.add(_flag(event), 1, timeout=10 * _GATHER_SECONDS))


def _flag(event: Event) -> str:
    return f"stripe-mirror:{text(event.data['object'].get('id')) or event.id}"
