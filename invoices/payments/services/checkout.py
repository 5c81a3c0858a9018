"""Stripe's own pages on which a workspace keeps its cards; card numbers never come to us."""

import datetime as dt
import logging
from uuid import UUID

from billing.errors import NotFound
from billing.queries import account_of_workspace
from billing.stripe_accounts import AccountName
from invoices.models import PaymentMethod
from invoices.payments.models import InvoiceAction, SavedCard, StripeCustomer
from invoices.payments.services import stripe_client
from invoices.payments.services.customers import ensure_customer
from invoices.payments.services.payment_methods import refresh_payment_method
from invoices.payments.services.stripe_client import StripeObject
from invoices.payments.services.stripe_errors import StripeMissing, StripeRefused

log = logging.getLogger(__name__)
# Stripe puts the session's id in its place.
SESSION_ID = "{CHECKOUT_SESSION_ID}"


def payment_method_page(
    *, workspace_id: UUID, return_url: str, saved_url: str, now: dt.datetime
) -> str:
    """The address of a page where the workspace's default card is chosen, in the account that its
    next invoices are collected by.

    Stripe's billing portal changes one; checkout in setup mode asks for the first, and where the
    account has no portal. Checkout returns to `saved_url`, which must hold `SESSION_ID`: the card
    becomes the default by `save_card_from_checkout`. Raises `StripeFailure`, and `Busy` while
    another process makes the customer.
    """
    account = account_of_workspace(workspace_id)
    customer_id = ensure_customer(workspace_id=workspace_id, account=account, now=now)
    customer = stripe_client.get(account, f"/v1/customers/{customer_id}")
    if _default_card(customer):
        try:
            return _portal(account, customer_id, return_url)
        except StripeRefused as error:
            log.warning("the billing portal is not set up in Stripe: %s", error)
    session = stripe_client.post(
        account,
        "/v1/checkout/sessions",
        {
            "mode": "setup",
            "customer": customer_id,
            "payment_method_types": ["card"],
            "success_url": saved_url,
            "cancel_url": return_url,
            "metadata": {"workspace_id": str(workspace_id)},
        },
    )
    return str(session["url"])


def save_card_from_checkout(
    *, workspace_id: UUID, account: AccountName, session_id: str, now: dt.datetime
) -> list[InvoiceAction] | None:
    """Make the card saved in a finished checkout session of `account` the default there; None if
    it is not that now.

    What is open and overdue is charged to it: the charges that were begun. A session does this
    once: shown again it changes nothing, whatever card has been chosen since. Raises `NotFound`
    for another workspace's session, and `StripeFailure`.
    """
    customer = StripeCustomer.objects.filter(workspace=workspace_id, account=account).first()
    try:
        session = stripe_client.get(account, f"/v1/checkout/sessions/{session_id}")
    except StripeMissing:
        raise NotFound("There is no such checkout session.") from None
    if customer is None or not customer.stripe_id or session["customer"] != customer.stripe_id:
        raise NotFound("There is no such checkout session.")
    if session["status"] != "complete" or not session.get("setup_intent"):
        return None
    intent = stripe_client.get(account, f"/v1/setup_intents/{session['setup_intent']}")
    card = intent.get("payment_method")
    if not card:
        return None
    if SavedCard.objects.filter(pk=session_id).exists():
        charges = refresh_payment_method(workspace_id=workspace_id, account=account, now=now)
        is_default = PaymentMethod.objects.filter(
            workspace=workspace_id, stripe_account=account, stripe_id=card
        ).exists()
        return charges if is_default else None
    stripe_client.post(
        account,
        f"/v1/customers/{customer.stripe_id}",
        {"invoice_settings": {"default_payment_method": card}},
        # Two at once, or one that died before its row, set it once all the same.
        key=f"checkout/{session_id}/default",
    )
    charges = refresh_payment_method(workspace_id=workspace_id, account=account, now=now)
    SavedCard.objects.get_or_create(
        pk=session_id,
        defaults={"workspace_id": workspace_id, "stripe_id": card, "saved_at": now},
    )
    return charges


def _portal(account: AccountName, customer_id: str, return_url: str) -> str:
    session = stripe_client.post(
        account,
        "/v1/billing_portal/sessions",
        {"customer": customer_id, "return_url": return_url},
    )
    return str(session["url"])


def _default_card(customer: StripeObject) -> str | None:
    card: str | None = (customer.get("invoice_settings") or {}).get("default_payment_method")
    return card
