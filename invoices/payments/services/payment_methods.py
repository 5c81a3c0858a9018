"""The payment method of a workspace: learned from Stripe, and what a new one sets going."""

import datetime as dt
from collections.abc import Sequence
from uuid import UUID

from django.db import transaction

from billing.stripe_accounts import AccountName
from invoices.models import Invoice, PaymentMethod
from invoices.models.payment_methods import last_day_of
from invoices.payments.models import InvoiceAction, StripeCustomer
from invoices.payments.services import stripe_client
from invoices.payments.services.collection import ActionPending, NotAllowedNow, charge
from invoices.payments.services.payloads import text
from invoices.payments.services.stripe_client import StripeObject
from invoices.payments.services.stripe_errors import StripeMissing

_NEW = "new payment method"


def refresh_payment_method(
    *, workspace_id: UUID, account: AccountName, now: dt.datetime, renewed: bool = False
) -> list[InvoiceAction]:
    """Read how the workspace pays in `account`; a method that was not known pays what is owed
    there.

    `renewed` says that the known one may work now although it did not before. Repeating it
    changes nothing. Raises `StripeFailure`. Must not be called inside a transaction.
    """
    method = _default_method(workspace_id, account)
    with transaction.atomic():
        known = (
            PaymentMethod.objects.select_for_update()
            .filter(workspace=workspace_id, stripe_account=account)
            .first()
        )
        if method is None:
            if known is not None:
                known.delete()
            return []
        is_new = known is None or known.stripe_id != method["id"]
        PaymentMethod.objects.update_or_create(
            workspace_id=workspace_id,
            stripe_account=account,
            defaults={
                "stripe_id": method["id"],
                "label": label_of(method),
                "expires_on": expiry_of(method),
                "noted_at": now,
            },
        )
        if not is_new and not renewed:
            return []
        return charge_what_is_owed(workspace_id=workspace_id, account=account, now=now)


def charge_what_is_owed(
    *, workspace_id: UUID, account: AccountName, now: dt.datetime
) -> list[InvoiceAction]:
    """Charge every automatic invoice of the account that is open or overdue, oldest first; those
    begun now."""
    owed = Invoice.objects.filter(
        workspace_id=workspace_id,
        stripe_account=account,
        status__in=Invoice.UNPAID,
        collection_method="charge_automatically",
        stripe_invoice_id__isnull=False,
    ).order_by("issued_at", "number")
    begun = []
    for invoice_id in list(owed.values_list("pk", flat=True)):
        try:
            begun.append(charge(invoice_id=invoice_id, now=now, why=_NEW))
        except (ActionPending, NotAllowedNow):
            continue  # it is being charged, or was paid meanwhile
    return begun


def label_of(method: StripeObject) -> str:
    """`Visa ending in 4242`, or the kind of method."""
    kind = text(method.get("type")) or "payment method"
    details = method.get(kind)
    details = details if isinstance(details, dict) else {}
    brand = text(details.get("brand")) or kind
    last4 = text(details.get("last4"))
    name = brand.replace("_", " ").capitalize()
    return (f"{name} ending in {last4}" if last4 else name)[:80]


def expiry_of(method: StripeObject) -> dt.date | None:
    """The last day on which a card can be charged; None of what is no card, or does not say."""
    card = method.get("card")
    if not isinstance(card, dict):
        return None
    month, year = card.get("exp_month"), card.get("exp_year")
    if not isinstance(month, int) or not isinstance(year, int):
        return None
    return last_day_of(year, month) if 1 <= month <= 12 and 2000 <= year <= 9998 else None


def _default_method(workspace_id: UUID, account: AccountName) -> StripeObject | None:
    """What Stripe charges by itself. Without a choice it is the newest method that was saved."""
    ours = StripeCustomer.objects.filter(
        workspace=workspace_id, account=account, stripe_id__isnull=False
    ).first()
    if ours is None:
        return None
    path = f"/v1/customers/{ours.stripe_id}"
    try:
        customer = stripe_client.get(account, path)
        if customer.get("deleted"):
            return None
        chosen = text((customer.get("invoice_settings") or {}).get("default_payment_method"))
        if chosen:
            return stripe_client.get(account, f"/v1/payment_methods/{chosen}")
        if source := text(customer.get("default_source")):
            # Older than payment methods, and charged all the same.
            return {"id": source}
        listed = stripe_client.get(account, f"{path}/payment_methods", {"limit": 1})
        saved: Sequence[StripeObject] = listed["data"]
    except StripeMissing:
        return None
    if not saved:
        return None
    stripe_client.post(
        account, path, {"invoice_settings": {"default_payment_method": saved[0]["id"]}}
    )
    return saved[0]
