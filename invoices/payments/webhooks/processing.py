"""What a verified event does here, exactly once however often and overlapping it is delivered.

dj-stripe's own processing would run its sync, which asks Stripe for the object, inside the
delivery's transaction, and lose the event's effects when the sync does not understand an object.
Here the event is stored and acted upon with
local rows only; the invoice's refresh from Stripe and dj-stripe's copies follow after the commit.
"""

import datetime as dt
import logging
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone as clock
from djstripe.models import Event, WebhookEventTrigger

from billing.queue import enqueue
from billing.services.notifications import notify_finance
from billing.stripe_accounts import AccountName
from invoices.payments.models import HandledEvent
from invoices.payments.services.payloads import time_of
from invoices.payments.webhooks.events import Outcome, StripeEvent
from invoices.payments.webhooks.foreign import of_another_account
from invoices.payments.webhooks.handlers import HANDLERS
from invoices.payments.webhooks.mirroring import request_mirror

log = logging.getLogger(__name__)
HANDLER = "invoices"


def process(trigger: WebhookEventTrigger, *, account: AccountName) -> Event:
    """Store the verified event of `account` and handle it, in the transaction that saves
    `trigger`."""
    now = clock.now()
    payload = trigger.json_body
    _lock(payload["id"])
    stored = _store(payload, trigger, now)
    trigger.event = stored
    trigger.exception = ""
    trigger.traceback = ""
    handle_once(stored, account=account, now=now)
    trigger.processed = True
    return stored


def handle_once(stored: Event, *, account: AccountName, now: dt.datetime) -> bool:
    """Run the event's handler unless it has run; whether it ran now.

    The lock on the event makes looking first safe; the row's constraint would catch what a caller
    without the lock does.
    """
    if HandledEvent.objects.filter(event_id=stored.id, handler=HANDLER).exists():
        return False
    outcome = handle(stored, account=account, now=now)
    HandledEvent.objects.create(
        event_id=stored.id,
        handler=HANDLER,
        account=account,
        event_type=stored.type[:100],
        outcome=outcome.text[:200],
        handled_at=now,
    )
    _follow_up(stored, outcome, account)
    return True


def handle(stored: Event, *, account: AccountName, now: dt.datetime) -> Outcome:
    """Apply what the event proves. Handlers are idempotent: a second time changes nothing.

    What it names of another account's is not touched: that is refused, and finance is told.
    """
    handler = HANDLERS.get(stored.type)
    if handler is None:
        return Outcome("nothing to do for this type")
    if foreign := of_another_account(account, stored.data["object"]):
        return _refused(stored, account, foreign, now)
    outcome = handler(
        StripeEvent(
            id=stored.id,
            type=stored.type,
            account=account,
            created=min(stored.created or now, now),
            object=stored.data["object"],
            now=now,
        )
    )
    log.info("%s %s: %s", stored.type, stored.id, outcome.text)
    return outcome


def _refused(stored: Event, account: AccountName, foreign: str, now: dt.datetime) -> Outcome:
    log.error("%s %s of the account %s is refused: %s", stored.type, stored.id, account, foreign)
    notify_finance(
        key=f"stripe-account-mismatch:{stored.id}",
        subject=f"An event of the Stripe account {account} names what is another account's",
        paragraphs=[
            f"{foreign} Nothing was changed by it.",
            "Look at both accounts' webhook endpoints and keys: one of them may be the other's.",
        ],
        facts=[("Event", f"{stored.type} {stored.id}"), ("Account", account)],
        now=now,
    )
    return Outcome(f"refused: {foreign}")


def _lock(event_id: str) -> None:
    """Until the transaction ends, overlapping deliveries of the same event wait here."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [event_id])


def _store(payload: dict[str, Any], trigger: WebhookEventTrigger, now: dt.datetime) -> Event:
    known = Event.objects.filter(id=payload["id"]).first()
    if known is not None:
        return known
    request = payload.get("request")
    if not isinstance(request, dict):
        request = {"id": request}
    endpoint = trigger.webhook_endpoint
    return Event.objects.create(
        id=payload["id"],
        type=payload["type"],
        livemode=payload.get("livemode", settings.STRIPE_LIVE_MODE),
        created=time_of(payload.get("created"), default=now),
        data=payload["data"],
        stripe_data=payload,
        api_version=str(payload.get("api_version") or "")[:64],
        request_id=str(request.get("id") or "")[:50],
        idempotency_key=str(request.get("idempotency_key") or ""),
        djstripe_owner_account=endpoint.djstripe_owner_account if endpoint else None,
    )


def _follow_up(stored: Event, outcome: Outcome, account: AccountName) -> None:
    stripe_invoice_id = outcome.stripe_invoice_id
    if stripe_invoice_id:
        transaction.on_commit(
            lambda: enqueue("payments.refresh_invoice", stripe_invoice_id, account)
        )
    if outcome.look_up_payment:
        transaction.on_commit(lambda: enqueue("payments.settle_payment_event", stored.id, account))
    transaction.on_commit(lambda: request_mirror(account, stored))
