"""Background work about settling invoices: each task loads by id and calls one service."""

from typing import Any
from uuid import UUID

from celery import shared_task
from django.db import transaction
from django.utils import timezone as clock
from djstripe.models import Event

from billing.tasks import enqueue
from invoices.services import collection, reconciliation, truth
from invoices.services.counterparts import text
from invoices.services.stripe_errors import StripeUnavailable
from invoices.webhooks import mirroring, processing, upkeep

# Stripe's answer may be late; what stays unread is found by the nightly reconciliation.
_RETRIES: dict[str, Any] = {
    "autoretry_for": (StripeUnavailable,),
    "retry_backoff": 5,
    "retry_backoff_max": 600,
    "retry_jitter": True,
    "max_retries": 6,
}


@shared_task(name="invoices.settle_from_stripe", **_RETRIES)
def settle_from_stripe(stripe_invoice_id: str) -> None:
    truth.settle_from_stripe(stripe_invoice_id=stripe_invoice_id, now=clock.now())


@shared_task(name="invoices.settle_payment_event", **_RETRIES)
def settle_payment_event(event_id: str) -> None:
    """Find the invoice behind a charge that was not known here, then handle its event again."""
    event = Event.objects.get(id=event_id)
    subject = event.data["object"]
    is_charge = subject.get("object") == "charge"
    stripe_invoice_id = truth.invoice_of_payment(
        payment_intent_id=text(subject.get("payment_intent")),
        charge_id=text(subject.get("id" if is_charge else "charge")),
    )
    if stripe_invoice_id and truth.settle_from_stripe(
        stripe_invoice_id=stripe_invoice_id, now=clock.now()
    ):
        with transaction.atomic():
            processing.handle(event, now=clock.now())


@shared_task(name="invoices.mirror_stripe_event")
def mirror_stripe_event(event_id: str) -> None:
    mirroring.mirror(event_id=event_id)


@shared_task(name="invoices.prune_webhooks")
def prune_webhooks() -> None:
    upkeep.prune(now=clock.now())


@shared_task(name="invoices.collect")
def collect() -> None:
    collection.collect(now=clock.now())


@shared_task(name="invoices.carry_out_action")
def carry_out_action(action_id: str) -> None:
    collection.carry_out(action_id=UUID(action_id), now=clock.now())


@shared_task(name="invoices.sweep_actions")
def sweep_actions() -> None:
    for action_id in collection.due_actions(now=clock.now()):
        enqueue(carry_out_action, str(action_id))


@shared_task(name="invoices.reconcile")
def reconcile() -> None:
    reconciliation.reconcile(now=clock.now())
