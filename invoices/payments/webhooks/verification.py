"""Whether a delivery is Stripe's: signature, time and mode, with every secret that is valid."""

import datetime as dt
import re
from typing import Any
from uuid import UUID

import stripe
from django.conf import settings
from djstripe.models import WebhookEndpoint

from invoices.payments.models import RetiringWebhookSecret

# How long ago, and how far ahead of our clock, a delivery may have been signed.
TOLERANCE = dt.timedelta(seconds=300)
_TIMESTAMP = re.compile(r"(?:^|,)\s*t=(\d{1,12})(?:,|$)")


class UnverifiedDelivery(Exception):
    """Not a delivery to act upon; the message may be shown to the sender."""


def valid_secrets(*, endpoint_uuid: UUID, now: dt.datetime) -> list[str]:
    """The endpoint's secret and those that it has replaced and that are still accepted.

    Empty for an endpoint that does not exist or has no secret.
    """
    current = WebhookEndpoint.objects.filter(djstripe_uuid=endpoint_uuid).exclude(secret="")
    retiring = RetiringWebhookSecret.objects.filter(
        endpoint_uuid=endpoint_uuid, valid_until__gt=now
    )
    return list(
        current.values_list("secret", flat=True).union(retiring.values_list("secret", flat=True))
    )


def check_signature(*, body: str, header: str, secrets: list[str], now: dt.datetime) -> None:
    """Raises `UnverifiedDelivery` unless a secret signed `body` within five minutes of `now`."""
    timestamps = _TIMESTAMP.findall(header)
    if len(timestamps) != 1:
        raise UnverifiedDelivery("The Stripe-Signature header has no timestamp.")
    # The SDK refuses old signatures only; one from tomorrow could be replayed until then.
    if abs(int(timestamps[0]) - now.timestamp()) > TOLERANCE.total_seconds():
        raise UnverifiedDelivery("The signature is not of the last five minutes.")
    for secret in secrets:
        try:
            stripe.WebhookSignature.verify_header(body, header, secret)
        except stripe.SignatureVerificationError:
            continue
        return
    raise UnverifiedDelivery("The signature does not match.")


def check_mode(event: dict[str, Any]) -> None:
    """Raises `UnverifiedDelivery` for test events in production and the other way round."""
    if event.get("livemode", settings.STRIPE_LIVE_MODE) is not settings.STRIPE_LIVE_MODE:
        expected = "live" if settings.STRIPE_LIVE_MODE else "test"
        raise UnverifiedDelivery(f"Only events of {expected} mode are taken here.")
