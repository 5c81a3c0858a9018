"""Whether an event of one Stripe account names something that is kept for another.

Handlers look their rows up with the account, and so would take it for nobody's. It is worse than
that: keys or endpoints are mixed up, or somebody tries.
"""

from typing import Any

from django.db.models import Q

from billing.stripe_accounts import AccountName
from invoices.models import Invoice, PaymentMethod
from invoices.payments.models import Chargeback, PaymentEntry, StripeCustomer
from invoices.payments.services.payloads import id_in_metadata, text

# Where Stripe's objects name others.
_NAMES = ("id", "invoice", "customer", "charge", "payment_intent", "latest_charge")


def of_another_account(account: AccountName, thing: dict[str, Any]) -> str:
    """What it names and whose that is; empty where nothing of it is another account's."""
    ids = {found for name in _NAMES if (found := text(thing.get(name)))}
    if isinstance(thing.get("payment"), dict):
        ids |= {text(thing["payment"].get(name)) for name in ("payment_intent", "charge")} - {""}
    named = Q(stripe_invoice_id__in=ids)
    if invoice_id := id_in_metadata(thing, "invoice_id"):
        named |= Q(pk=invoice_id)
    paid = PaymentEntry.objects.filter(
        Q(stripe_id__in=ids) | Q(charge_id__in=ids) | Q(payment_intent_id__in=ids)
    )
    kept = (
        ("invoice", Invoice.objects.filter(named), "number", "stripe_account"),
        ("payment", paid, "stripe_id", "invoice__stripe_account"),
        (
            "chargeback",
            Chargeback.objects.filter(stripe_id__in=ids),
            "stripe_id",
            "invoice__stripe_account",
        ),
        ("customer", StripeCustomer.objects.filter(stripe_id__in=ids), "stripe_id", "account"),
        (
            "payment method",
            PaymentMethod.objects.filter(stripe_id__in=ids),
            "stripe_id",
            "stripe_account",
        ),
    )
    for what, rows, name, whose in kept:
        other = rows.exclude(**{whose: account}).values_list(name, whose).first()
        if other is not None:
            return f"The {what} {other[0]} is of the account {other[1]}, not of {account}."
    return ""
