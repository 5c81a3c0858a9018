"""Reading Stripe's objects: which invoice of ours they mean, and when what happened.

Objects come from several API versions and from other servers that speak Stripe's API: a field
that is missing, or is not what it should be, is taken as not said.
"""

import datetime as dt
from typing import Any
from uuid import UUID

from django.db.models import Q

from billing.stripe_accounts import AccountName
from invoices.models import Invoice
from invoices.payments.models import PaymentEntry


def text(value: object) -> str:
    """The text, the id of an expanded object, or an empty text."""
    if isinstance(value, dict):
        value = value.get("id")
    return value if isinstance(value, str) else ""


def minor(value: object) -> int:
    """A whole number of minor units; zero where there is none."""
    return max(value, 0) if isinstance(value, int) else 0


def time_of(value: object, *, default: dt.datetime) -> dt.datetime:
    """Epoch seconds as a time."""
    if not isinstance(value, int) or isinstance(value, bool):
        return default
    try:
        return dt.datetime.fromtimestamp(value, dt.UTC)
    except (ValueError, OverflowError, OSError):
        return default


def metadata_of(thing: dict[str, Any]) -> dict[str, Any]:
    metadata = thing.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def id_in_metadata(thing: dict[str, Any], name: str) -> UUID | None:
    """Our id that the sync wrote into the object's metadata."""
    try:
        return UUID(str(metadata_of(thing)[name]))
    except (KeyError, ValueError):
        return None


def find_invoice(account: AccountName, stripe_invoice: dict[str, Any]) -> Invoice | None:
    """Our invoice behind one in a Stripe account: by the stored id, else by ours in its metadata.

    A second one in Stripe that names an invoice which is tied to another (left over from a sync
    that was started anew) is not it.
    """
    stripe_id = text(stripe_invoice.get("id"))
    if not stripe_id:
        return None
    ours = Invoice.objects.filter(stripe_account=account)
    invoice = ours.filter(stripe_invoice_id=stripe_id).first()
    invoice_id = id_in_metadata(stripe_invoice, "invoice_id")
    if invoice is None and invoice_id is not None:
        invoice = ours.filter(pk=invoice_id, stripe_invoice_id__isnull=True).first()
    return invoice


def find_paid_invoice(
    account: AccountName, *, charge_id: str, payment_intent_id: str
) -> Invoice | None:
    """Our invoice that this charge of the account was for, if its payment is known here."""
    named = Q()
    if charge_id:
        named |= Q(charge_id=charge_id)
    if payment_intent_id:
        named |= Q(payment_intent_id=payment_intent_id)
    if not named:
        return None
    payment = (
        PaymentEntry.objects.filter(
            named, kind=PaymentEntry.Kind.PAYMENT, invoice__stripe_account=account
        )
        .select_related("invoice")
        .first()
    )
    return payment.invoice if payment else None


def paid_at(stripe_invoice: dict[str, Any], *, default: dt.datetime) -> dt.datetime:
    transitions = stripe_invoice.get("status_transitions")
    moment = transitions.get("paid_at") if isinstance(transitions, dict) else None
    return time_of(moment, default=default)


def attempt_key(stripe_invoice: dict[str, Any], *, default: str) -> str:
    """Names one attempt to charge an invoice, however it is heard of."""
    attempt = stripe_invoice.get("attempt_count")
    if not isinstance(attempt, int) or attempt < 1:
        return f"attempt:{default}"
    return f"attempt:{text(stripe_invoice.get('id'))}:{attempt}"
