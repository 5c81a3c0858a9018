"""Events about a customer and its subscription in Stripe."""

import logging
from uuid import UUID

from django.db import transaction

from billing.errors import BillingError
from billing.models import Workspace
from billing.queries import account_of_workspace
from billing.queue import enqueue
from billing.services.notifications import notify_finance
from billing.services.workspaces import change_tier_from_next_period
from billing.stripe_accounts import AccountName
from invoices.models import PaymentMethod
from invoices.payments.models import StripeCustomer
from invoices.payments.services import notifications
from invoices.payments.services.customers import note_customer_deleted
from invoices.payments.services.payloads import id_in_metadata, text
from invoices.payments.webhooks.events import Outcome, StripeEvent

log = logging.getLogger(__name__)
FREE_TIER = "free"


def deleted(event: StripeEvent) -> Outcome:
    """Somebody deleted a customer in Stripe; the next sync makes a new one."""
    customer_id = text(event.object.get("id"))
    workspace = _workspace(event, customer_id)
    if workspace is None or not note_customer_deleted(
        customer_id=customer_id, account=event.account, now=event.now
    ):
        return Outcome(f"customer {customer_id} is not ours")
    notify_finance(
        key=f"customer-deleted:{customer_id}",
        subject=f"The Stripe customer of {workspace.name} was deleted",
        paragraphs=[
            "Its payment methods are gone with it. The next invoice makes a new customer, and the "
            "owners have to enter a payment method again."
        ],
        facts=[("Customer", customer_id)],
        about=workspace,
        now=event.now,
    )
    return Outcome(f"customer of {workspace.name} is forgotten")


def checkout_completed(event: StripeEvent) -> Outcome:
    """A card was saved in checkout; it becomes the default even if the owner never came back."""
    session_id = text(event.object.get("id"))
    workspace = _workspace(event, text(event.object.get("customer")))
    if workspace is None or event.object.get("mode") != "setup":
        return Outcome(f"checkout session {session_id} is not ours")
    transaction.on_commit(
        lambda: enqueue(
            "payments.save_card_from_checkout", str(workspace.pk), session_id, event.account
        )
    )
    return Outcome(f"a card of {workspace.name} was saved")


def updated(event: StripeEvent) -> Outcome:
    """Somebody may have chosen another payment method, here, in the portal or in Stripe."""
    workspace = _workspace(event, text(event.object.get("id")))
    if workspace is None:
        return Outcome(f"customer {text(event.object.get('id'))} is not ours")
    chosen = text(
        (event.object.get("invoice_settings") or {}).get("default_payment_method")
    ) or text(event.object.get("default_source"))
    if chosen == _known_method(workspace, event.account):
        return Outcome(f"{workspace.name} pays as before")
    return _look_at_method(workspace, event.account)


def payment_method_changed(event: StripeEvent) -> Outcome:
    """A method was saved, taken away, or renewed by its bank."""
    method = text(event.object.get("id"))
    customer_id = text(event.object.get("customer"))
    kept = PaymentMethod.objects.filter(stripe_id=method, stripe_account=event.account)
    known = kept.select_related("workspace").first()
    workspace = known.workspace if known else _workspace(event, customer_id)
    if workspace is None:
        return Outcome(f"payment method {method} is not of one of ours")
    if known is None and _known_method(workspace, event.account):
        return Outcome(f"{workspace.name} pays with another one")
    if known is not None and event.type == "payment_method.attached":
        return Outcome(f"{workspace.name} pays with it already")
    return _look_at_method(workspace, event.account, renewed=known is not None)


def subscription_deleted(event: StripeEvent) -> Outcome:
    """The subscription ended: the free tier from the next period on, and the owners are told."""
    workspace = _workspace(event, text(event.object.get("customer")))
    if workspace is None:
        return Outcome(f"subscription {text(event.object.get('id'))} is not ours")
    if account_of_workspace(workspace.pk) != event.account:
        # It has come to another account, and ends what it had in this one.
        return Outcome(f"{workspace.name} is not collected by {event.account} any more")
    try:
        changed = change_tier_from_next_period(
            workspace_id=workspace.pk, tier=FREE_TIER, now=event.now
        )
    except BillingError as error:
        # Sending the event again would not help: somebody has to give the tier a price.
        log.exception("workspace %s cannot go to the free tier", workspace.pk)
        notify_finance(
            key=f"subscription-ended:{event.id}",
            subject=f"{workspace.name} could not be moved to the free tier",
            paragraphs=[f"Its subscription ended in Stripe. {error.detail}"],
            now=event.now,
        )
        return Outcome(f"{workspace.name}: {error.detail}")
    if not changed:
        return Outcome(f"{workspace.name} is on the free tier already")
    notifications.tell_subscription_ended(workspace, key=event.id, now=event.now)
    return Outcome(f"{workspace.name} is on the free tier from its next period on")


def _workspace(event: StripeEvent, customer_id: str) -> Workspace | None:
    customer = (
        StripeCustomer.objects.filter(stripe_id=customer_id, account=event.account)
        .select_related("workspace")
        .first()
        if customer_id
        else None
    )
    if customer is not None:
        return customer.workspace
    workspace_id = id_in_metadata(event.object, "workspace_id")
    if workspace_id is None or not _is_in(event.account, workspace_id):
        return None
    return Workspace.objects.filter(pk=workspace_id).first()


def _is_in(account: AccountName, workspace_id: UUID) -> bool:
    """Whether the workspace has, or is to have, a customer in this account."""
    return (
        account_of_workspace(workspace_id) == account
        or StripeCustomer.objects.filter(workspace=workspace_id, account=account).exists()
    )


def _known_method(workspace: Workspace, account: AccountName) -> str:
    known = PaymentMethod.objects.filter(workspace=workspace, stripe_account=account).first()
    return known.stripe_id if known else ""


def _look_at_method(
    workspace: Workspace, account: AccountName, *, renewed: bool = False
) -> Outcome:
    transaction.on_commit(
        lambda: enqueue("payments.refresh_payment_method", str(workspace.pk), account, renewed)
    )
    return Outcome(f"the payment method of {workspace.name} is read from Stripe")
