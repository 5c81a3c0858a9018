"""dj-stripe's copies of what we have just been answered, for the admin and its webhooks.

The copies are a convenience: webhooks bring them too, and nothing here depends on them. An answer
that dj-stripe cannot read is logged and otherwise ignored.
"""

import logging

import stripe
from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist
from django.db import DatabaseError
from djstripe.models import Account, APIKey, Customer
from djstripe.models import Invoice as MirroredInvoice

from billing.models import Workspace
from invoices.payments.services import stripe_client
from invoices.payments.services.stripe_client import StripeObject
from invoices.payments.services.stripe_errors import StripeFailure

log = logging.getLogger(__name__)
_UNREADABLE = (
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    ObjectDoesNotExist,
    DatabaseError,
    stripe.StripeError,
    StripeFailure,
)


def keep_customer(customer: StripeObject, *, workspace: Workspace) -> None:
    try:
        _know_account()
        copy = Customer.sync_from_stripe_data(stripe.Customer.construct_from(customer, None))
        # A customer that was deleted in Stripe no longer stands for the workspace.
        Customer.objects.filter(subscriber=workspace).exclude(pk=copy.pk).update(subscriber=None)
        Customer.objects.filter(pk=copy.pk).update(subscriber=workspace)
    except _UNREADABLE as error:
        log.warning("dj-stripe cannot keep customer %s: %r", customer.get("id"), error)


def keep_invoice(invoice: StripeObject) -> None:
    try:
        _know_account()
        MirroredInvoice.sync_from_stripe_data(stripe.Invoice.construct_from(invoice, None))
    except _UNREADABLE as error:
        log.warning("dj-stripe cannot keep invoice %s: %r", invoice.get("id"), error)


def _know_account() -> None:
    """Learn whose the secret key is, which dj-stripe would otherwise ask inside a transaction."""
    key, _ = APIKey.objects.get_or_create_by_api_key(settings.STRIPE_SECRET_KEY)
    if key.djstripe_owner_account_id is not None:
        return
    answer = stripe_client.get("/v1/account")
    account, _ = Account.objects.get_or_create(id=answer["id"])
    key.djstripe_owner_account = account
    key.save()
    Account.sync_from_stripe_data(stripe.Account.construct_from(answer, None))
