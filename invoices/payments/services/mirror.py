"""dj-stripe's copies of what we have just been answered, for the admin and its webhooks.

The copies are a convenience: webhooks bring them too, and nothing here depends on them. An answer
that dj-stripe cannot read is logged and otherwise ignored.
"""

import logging

import stripe
from django.core.exceptions import ObjectDoesNotExist
from django.db import DatabaseError
from djstripe.models import Account, APIKey, Customer
from djstripe.models import Invoice as MirroredInvoice

from billing.models import Workspace
from billing.stripe_accounts import AccountName
from invoices.payments.services import stripe_client
from invoices.payments.services.stripe_client import StripeObject
from invoices.payments.services.stripe_errors import StripeFailure

log = logging.getLogger(__name__)
# What dj-stripe raises on what it does not understand, and what asking Stripe for it may raise.
UNREADABLE = (
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    ObjectDoesNotExist,
    DatabaseError,
    stripe.StripeError,
    StripeFailure,
)


def keep_customer(account: AccountName, customer: StripeObject, *, workspace: Workspace) -> None:
    try:
        key = _known_key(account)
        copy = Customer.sync_from_stripe_data(
            stripe.Customer.construct_from(customer, None), api_key=key
        )
        # A customer that was deleted in Stripe no longer stands for the workspace; one of another
        # account does.
        others = Customer.objects.filter(
            subscriber=workspace, djstripe_owner_account=copy.djstripe_owner_account_id
        )
        others.exclude(pk=copy.pk).update(subscriber=None)
        Customer.objects.filter(pk=copy.pk).update(subscriber=workspace)
    except UNREADABLE as error:
        log.warning("dj-stripe cannot keep customer %s: %r", customer.get("id"), error)


def keep_invoice(account: AccountName, invoice: StripeObject) -> None:
    try:
        key = _known_key(account)
        MirroredInvoice.sync_from_stripe_data(
            stripe.Invoice.construct_from(invoice, None), api_key=key
        )
    except UNREADABLE as error:
        log.warning("dj-stripe cannot keep invoice %s: %r", invoice.get("id"), error)


def _known_key(account: AccountName) -> str:
    """The account's secret key, and whose it is, learned beforehand: dj-stripe would ask inside a
    transaction. A key that it has replaced is forgotten, or dj-stripe might go on with that."""
    secret = stripe_client.require_configured(account)
    key, _ = APIKey.objects.get_or_create_by_api_key(secret)
    if key.djstripe_owner_account_id is None:
        answer = stripe_client.get(account, "/v1/account")
        owner, _ = Account.objects.get_or_create(id=answer["id"])
        key.djstripe_owner_account = owner
        key.save()
        Account.sync_from_stripe_data(stripe.Account.construct_from(answer, None), api_key=secret)
        older = APIKey.objects.filter(
            djstripe_owner_account=owner, type=key.type, livemode=key.livemode
        )
        older.exclude(pk=key.pk).delete()
    return secret
