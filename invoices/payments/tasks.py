"""Background work of payments: each task loads by id and calls one service."""

from typing import Any
from uuid import UUID

from celery import shared_task
from django.db import transaction
from django.utils import timezone as clock
from djstripe.models import Event

from billing.queue import enqueue
from billing.stripe_accounts import AccountName
from invoices.payments.services import (
    card_expiry,
    chargebacks,
    checkout,
    collection,
    customers,
    payment_methods,
    proof,
    pruning,
    reconciliation,
    refresh,
    reporting,
    stripe_sync,
    tax_calculations,
)
from invoices.payments.services.credit_notes import sync as credit_note_sync
from invoices.payments.services.payloads import text
from invoices.payments.services.stripe_errors import StripeUnavailable
from invoices.payments.webhooks import mirroring, processing
from invoices.payments.webhooks import pruning as webhooks_pruning
from invoices.services import sales_taxes

# Stripe's answer may be late; what stays unread is found by the nightly reconciliation.
_RETRIES: dict[str, Any] = {
    "autoretry_for": (StripeUnavailable,),
    "retry_backoff": 5,
    "retry_backoff_max": 600,
    "retry_jitter": True,
    "max_retries": 6,
}


@shared_task(name="payments.refresh_invoice", **_RETRIES)
def refresh_invoice(stripe_invoice_id: str, account: str) -> None:
    refresh.refresh_invoice(
        AccountName(account), stripe_invoice_id=stripe_invoice_id, now=clock.now()
    )


@shared_task(name="payments.settle_payment_event", **_RETRIES)
def settle_payment_event(event_id: str, account: str) -> None:
    """Find the invoice behind a charge that was not known here, then handle its event again."""
    event, whose = Event.objects.get(id=event_id), AccountName(account)
    subject = event.data["object"]
    is_charge = subject.get("object") == "charge"
    stripe_invoice_id = refresh.invoice_of_payment(
        whose,
        payment_intent_id=text(subject.get("payment_intent")),
        charge_id=text(subject.get("id" if is_charge else "charge")),
    )
    if stripe_invoice_id and refresh.refresh_invoice(
        whose, stripe_invoice_id=stripe_invoice_id, now=clock.now()
    ):
        with transaction.atomic():
            processing.handle(event, account=whose, now=clock.now())


@shared_task(name="payments.mirror_stripe_event")
def mirror_stripe_event(event_id: str, account: str) -> None:
    mirroring.mirror(AccountName(account), event_id=event_id)


@shared_task(name="payments.prune")
def prune() -> None:
    now = clock.now()
    webhooks_pruning.prune(now=now)
    pruning.prune_runs(now=now)
    sales_taxes.prune(now=now)


@shared_task(name="payments.calculate_tax")
def calculate_tax(calculation_id: str) -> None:
    tax_calculations.calculate_tax(calculation_id=UUID(calculation_id), now=clock.now())


@shared_task(name="payments.collect")
def collect() -> None:
    collection.collect(now=clock.now())


@shared_task(name="payments.carry_out_action")
def carry_out_action(action_id: str) -> None:
    collection.carry_out(action_id=UUID(action_id), now=clock.now())


@shared_task(name="payments.report_payment")
def report_payment(report_id: str) -> None:
    reporting.report_payment(report_id=UUID(report_id), now=clock.now())


@shared_task(name="payments.send_chargeback_evidence")
def send_chargeback_evidence(chargeback_id: str) -> None:
    chargebacks.send_evidence(chargeback_id=UUID(chargeback_id), now=clock.now())


@shared_task(name="payments.sync_credit_note")
def sync_credit_note(credit_note_id: str) -> None:
    credit_note_sync.sync_credit_note(credit_note_id=UUID(credit_note_id), now=clock.now())


@shared_task(name="payments.reconcile")
def reconcile() -> None:
    reconciliation.reconcile(now=clock.now())


@shared_task(name="payments.prove_ledger")
def prove_ledger() -> None:
    proof.prove_and_keep(now=clock.now())


@shared_task(name="payments.sync_invoice")
def sync_invoice(invoice_id: str) -> None:
    stripe_sync.sync_invoice(invoice_id=UUID(invoice_id), now=clock.now())


@shared_task(name="payments.sync_invoices")
def sync_invoices(invoice_ids: list[str]) -> None:
    # One message from the close for many invoices; from here on each by itself.
    for invoice_id in invoice_ids:
        enqueue("payments.sync_invoice", invoice_id)


@shared_task(name="payments.update_customer")
def update_customer(customer: str) -> None:
    customers.update_customer(customer=UUID(customer), now=clock.now())


@shared_task(name="payments.save_card_from_checkout", **_RETRIES)
def save_card_from_checkout(workspace_id: str, session_id: str, account: str) -> None:
    checkout.save_card_from_checkout(
        workspace_id=UUID(workspace_id),
        account=AccountName(account),
        session_id=session_id,
        now=clock.now(),
    )


@shared_task(name="payments.mail_expiring_cards")
def mail_expiring_cards() -> int:
    return card_expiry.mail_expiring_cards(now=clock.now())


@shared_task(name="payments.refresh_payment_method", **_RETRIES)
def refresh_payment_method(workspace_id: str, account: str, renewed: bool = False) -> None:
    payment_methods.refresh_payment_method(
        workspace_id=UUID(workspace_id),
        account=AccountName(account),
        now=clock.now(),
        renewed=renewed,
    )
