"""Telling Stripe where to send events, and keeping the secret it signs them with.

Each account has an endpoint of its own: what is signed with an endpoint's secret comes from its
account. Stripe shows that secret once, when the endpoint is made; one whose secret is not here is
of no use, and is replaced. The endpoint is kept as dj-stripe's `WebhookEndpoint`; its address
holds that row's UUID, which stays the same when the endpoint in Stripe is replaced, and the
account's name unless it is the default one.
"""

import datetime as dt
import logging
import re
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import stripe
from django.conf import settings
from django.db import DatabaseError, transaction
from djstripe.exceptions import InvalidStripeAPIKey
from djstripe.models import Account, WebhookEndpoint

from billing.errors import Conflict, Invalid
from billing.stripe_accounts import DEFAULT, AccountName
from invoices.payments.models import RetiringWebhookSecret
from invoices.payments.services import stripe_client
from invoices.payments.services.payloads import metadata_of, text, time_of
from invoices.payments.services.stripe_client import StripeObject
from invoices.payments.services.stripe_errors import StripeFailure, StripeMissing, StripeUnavailable
from invoices.payments.webhooks import addresses
from invoices.payments.webhooks.handlers import HANDLED_EVENTS

log = logging.getLogger(__name__)

OLD_SECRET_STAYS_VALID = dt.timedelta(hours=24)
_MARK = {"created_by": "usage billing"}

What = Literal["created", "updated", "unchanged", "replaced"]


@dataclass(frozen=True)
class EndpointRegistration:
    url: str
    what: What


def register(
    *, url: str, account: AccountName = DEFAULT, now: dt.datetime, rotate: bool = False
) -> EndpointRegistration:
    """Have Stripe send all handled events of `account` to this site, at `url` or below it.

    Repeating it changes nothing. `rotate` replaces the endpoint for a new secret; the old secret
    is accepted for another day. Raises `Invalid` for the address and `StripeFailure`.
    """
    stripe_client.require_configured(account)
    site, named = _site(url, account)
    local = _local_endpoint(site, named, account)
    uuid = local.djstripe_uuid if local else named or uuid4()
    address = addresses.address_of(site, account, uuid)
    theirs = _in_stripe(account, local) if local else None
    if local is None or theirs is None or not local.secret or rotate or _is_outdated(theirs):
        _replace(account, site, uuid, local, now=now)
        return EndpointRegistration(address, "replaced" if local else "created")
    changes = _changes(theirs, address)
    if changes:
        theirs = stripe_client.post(account, f"/v1/webhook_endpoints/{local.id}", changes)
    owner = local.djstripe_owner_account or _owner(account)
    _keep(theirs, address, uuid, secret=local.secret, owner=owner, now=now)
    return EndpointRegistration(address, "updated" if changes else "unchanged")


def take_rolled_secret(
    *, url: str, secret: str, account: AccountName = DEFAULT, now: dt.datetime
) -> EndpointRegistration:
    """The secret was rolled in Stripe's dashboard: sign with the new one, accept the old for a day.

    Raises `Invalid` for something else than a secret, `Conflict` when there is no endpoint yet.
    """
    if not re.fullmatch(r"whsec_[\w/+=-]{8,240}", secret):
        raise Invalid("A webhook's signing secret starts with whsec_.", field="secret")
    site, named = _site(url, account)
    local = _local_endpoint(site, named, account)
    if local is None:
        raise Conflict(f"No webhook endpoint is registered for {site} yet.")
    if local.secret == secret:
        return EndpointRegistration(local.url, "unchanged")
    with transaction.atomic():
        _retire(local, now)
        WebhookEndpoint.objects.filter(pk=local.pk).update(secret=secret)
    return EndpointRegistration(local.url, "updated")


def _site(url: str, account: AccountName) -> tuple[str, UUID | None]:
    """The site of `url`, and the UUID where it names a whole webhook address of the account."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
        raise Invalid(f"{url!r} is not the address of a site, as https://billing.example.")
    named = addresses.parsed(url)
    if named is None:
        return url.rstrip("/"), None
    if named.account != account:
        raise Invalid(f"{url!r} is an address of the account {named.account}, not of {account}.")
    return named.site, named.uuid


def _local_endpoint(site: str, uuid: UUID | None, account: AccountName) -> WebhookEndpoint | None:
    endpoints = WebhookEndpoint.objects.filter(
        url__startswith=f"{site}{addresses.PREFIX}", livemode=settings.STRIPE_LIVE_MODE
    )
    if uuid is not None:
        endpoints = endpoints.filter(djstripe_uuid=uuid)
    newest_first = endpoints.order_by("-djstripe_created")
    return next((each for each in newest_first if addresses.account_in(each.url) == account), None)


def _in_stripe(account: AccountName, local: WebhookEndpoint) -> StripeObject | None:
    try:
        found = stripe_client.get(account, f"/v1/webhook_endpoints/{local.id}")
    except StripeMissing:
        return None
    return None if found.get("deleted") else found


def _is_outdated(theirs: StripeObject) -> bool:
    """Rendered in another API version, which cannot be changed afterwards."""
    return theirs.get("api_version") not in (None, settings.STRIPE_API_VERSION)


def _changes(theirs: StripeObject, address: str) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if theirs.get("url") != address:
        changes["url"] = address
    if sorted(theirs.get("enabled_events") or []) != HANDLED_EVENTS:
        changes["enabled_events"] = HANDLED_EVENTS
    if theirs.get("status") == "disabled":
        changes["disabled"] = False
    return changes


def _replace(
    account: AccountName,
    site: str,
    uuid: UUID,
    local: WebhookEndpoint | None,
    *,
    now: dt.datetime,
) -> None:
    """A fresh endpoint with a secret that we know; those that it replaces are deleted after it."""
    address = addresses.address_of(site, account, uuid)
    made = stripe_client.post(
        account,
        "/v1/webhook_endpoints",
        {
            "url": address,
            "enabled_events": HANDLED_EVENTS,
            "api_version": settings.STRIPE_API_VERSION,
            "description": settings.ISSUER_NAME,
            "metadata": {**_MARK, "djstripe_uuid": str(uuid)},
        },
    )
    secret = text(made.get("secret"))
    if not secret:
        raise StripeUnavailable("Stripe made a webhook endpoint without telling its secret.")
    owner = _owner(account)
    with transaction.atomic():
        if local is not None and local.secret:
            _retire(local, now)
        _keep(made, address, uuid, secret=secret, owner=owner, now=now)
    try:
        _delete_others(account, site, made["id"])
    except StripeFailure as error:
        # The new one works. An old one only sends what is refused here, and the next time it goes.
        log.warning("replaced webhook endpoints could not be deleted: %s", error)


def _delete_others(account: AccountName, site: str, kept: str) -> None:
    """The endpoints that this project made for the account's addresses of the site, but for one."""
    for other in list(stripe_client.every(account, "/v1/webhook_endpoints")):
        named = addresses.parsed(text(other.get("url")))
        is_ours = named is not None and (named.site, named.account) == (site, account)
        is_ours = is_ours and _MARK.items() <= metadata_of(other).items()
        if is_ours and other["id"] != kept:
            stripe_client.delete(account, f"/v1/webhook_endpoints/{other['id']}")
            log.info("deleted webhook endpoint %s, which was replaced", other["id"])


def _keep(
    theirs: StripeObject,
    address: str,
    uuid: UUID,
    *,
    secret: str,
    owner: Account | None,
    now: dt.datetime,
) -> None:
    WebhookEndpoint.objects.update_or_create(
        djstripe_uuid=uuid,
        defaults={
            "id": theirs["id"],
            "url": address,
            "secret": secret,
            "enabled_events": theirs.get("enabled_events") or HANDLED_EVENTS,
            "api_version": text(theirs.get("api_version")) or settings.STRIPE_API_VERSION,
            "status": text(theirs.get("status")) or "enabled",
            "livemode": theirs.get("livemode", settings.STRIPE_LIVE_MODE),
            "created": time_of(theirs.get("created"), default=now),
            "metadata": metadata_of(theirs),
            "stripe_data": {name: value for name, value in theirs.items() if name != "secret"},
            "djstripe_owner_account": owner,
        },
    )


def _retire(local: WebhookEndpoint, now: dt.datetime) -> None:
    RetiringWebhookSecret.objects.update_or_create(
        endpoint_uuid=local.djstripe_uuid,
        secret=local.secret,
        defaults={"valid_until": now + OLD_SECRET_STAYS_VALID},
    )


def _owner(account: AccountName) -> Account | None:
    """dj-stripe's account of the key; only its copies need it, so failing is no failure."""
    try:
        return Account.get_or_retrieve_for_api_key(stripe_client.require_configured(account))
    except (
        stripe.StripeError,
        InvalidStripeAPIKey,
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
        DatabaseError,
    ) as error:
        log.warning("dj-stripe cannot tell whose the secret key of %s is: %r", account, error)
        return None
