"""Whether a delivery is Stripe's: signature, time and mode, and a body that is an event.

A signature is checked with every secret that is valid; a body is one that PostgreSQL can store.
"""

import datetime as dt
import json
import math
import re
from typing import Any, NoReturn
from uuid import UUID

import stripe
from django.conf import settings
from djstripe.models import WebhookEndpoint

from invoices.payments.models import RetiringWebhookSecret

# How long ago, and how far ahead of our clock, a delivery may have been signed.
TOLERANCE = dt.timedelta(seconds=300)
_MAX_ID = 255
_MAX_TYPE = 250
_TIMESTAMP = re.compile(r"(?:^|,)\s*t=(\d{1,12})(?:,|$)")


class UnverifiedDelivery(Exception):
    """Not a delivery to act upon; the message may be shown to the sender."""


class MalformedPayload(ValueError):
    """The body is not an event; the message says why."""


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


def parse_event(body: bytes) -> dict[str, Any]:
    """The event as its JSON says. Raises `MalformedPayload`.

    A NUL, a lone surrogate, NaN or Infinity are valid for Python but not for a jsonb column.
    """
    try:
        event = json.loads(body.decode(), parse_constant=_refuse_constant)
        _refuse_what_cannot_be_stored(event)
    except (ValueError, RecursionError) as error:
        raise MalformedPayload(f"The body is not JSON that can be stored: {error}") from None
    if not isinstance(event, dict):
        raise MalformedPayload("The body is not a JSON object.")
    if not _is_text(event.get("id"), _MAX_ID):
        raise MalformedPayload("The event has no id.")
    if not _is_text(event.get("type"), _MAX_TYPE):
        raise MalformedPayload("The event has no type.")
    data = event.get("data")
    if not isinstance(data, dict) or not isinstance(data.get("object"), dict):
        raise MalformedPayload("The event is about no object.")
    return event


def _is_text(value: object, longest: int) -> bool:
    return isinstance(value, str) and 0 < len(value) <= longest


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _refuse_what_cannot_be_stored(value: object) -> None:
    pending = [value]
    while pending:
        found = pending.pop()
        if isinstance(found, dict):
            pending += found.keys()
            pending += found.values()
        elif isinstance(found, list):
            pending += found
        elif isinstance(found, str):
            if "\x00" in found:
                raise ValueError("it holds a NUL character")
            found.encode()  # a UnicodeEncodeError for a lone surrogate is a ValueError too
        elif isinstance(found, float) and not math.isfinite(found):
            raise ValueError("it holds a number without bounds")
