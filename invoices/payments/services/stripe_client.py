"""The one place that speaks to Stripe: address, timeout, pace, and plain dicts for answers.

The SDK retries nothing by itself (`max_network_retries=0`): what may be repeated, when, and under
which idempotency key is decided by whoever calls, with the answer committed in between.
"""

import io
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import stripe
from django.conf import settings

from billing.outage import Outage, Silent
from invoices.payments.services.rate_limit import wait_for_turn
from invoices.payments.services.stripe_errors import (
    StripeNotConfigured,
    StripeUnavailable,
    stripe_errors,
)

# An object of Stripe's API as its JSON says: whole minor units, epoch seconds, ids as text.
StripeObject = dict[str, Any]


STRIPE = Outage("Stripe")


class PacedClient(stripe.RequestsClient):
    """Waits for its turn before each request; makes none while Stripe is left alone."""

    def request(self, *args: Any, **options: Any) -> tuple[bytes, int, Mapping[str, str]]:  # type: ignore[override]  # the SDK's base class promises text, its subclasses bytes
        try:
            with STRIPE.asking():
                wait_for_turn()
                return super().request(*args, **options)
        except Silent as error:
            raise stripe.APIConnectionError(str(error)) from error  # type: ignore[no-untyped-call]  # the SDK's


def configure_sdk() -> None:
    """Give dj-stripe, which uses the SDK's module rather than a client, the same terms."""
    stripe.api_base = settings.STRIPE_API_BASE
    stripe.max_network_retries = 0
    stripe.default_http_client = PacedClient(timeout=settings.STRIPE_TIMEOUT_SECONDS)


def stripe_client() -> stripe.StripeClient:
    """The SDK's client for the configured account and address.

    Raises `StripeNotConfigured` without a secret key. Errors of its requests are the SDK's: wrap
    them in `stripe_errors()`, or use the functions below, which do.
    """
    if not settings.STRIPE_SECRET_KEY:
        raise StripeNotConfigured("Stripe is not configured: set STRIPE_SECRET_KEY.")
    return _client(
        settings.STRIPE_SECRET_KEY, settings.STRIPE_API_BASE, settings.STRIPE_TIMEOUT_SECONDS
    )


@cache
def _client(secret_key: str, api_base: str, timeout: int) -> stripe.StripeClient:
    return stripe.StripeClient(
        secret_key,
        base_addresses={"api": api_base, "files": _files_base(api_base)},
        max_network_retries=0,
        http_client=PacedClient(timeout=timeout),
    )


def _files_base(api_base: str) -> str:
    """Stripe takes files at a host of its own; a server that stands in for it, at the same."""
    return "https://files.stripe.com" if api_base == "https://api.stripe.com" else api_base


def get(path: str, params: Mapping[str, Any] | None = None) -> StripeObject:
    """The object at `path`, as in `/v1/invoices/in_123`. Raises `StripeFailure`."""
    return _request("get", path, params)


def post(path: str, params: Mapping[str, Any] | None = None, *, key: str = "") -> StripeObject:
    """Create or change what `path` names, under the idempotency key `key` if there is one."""
    return _request("post", path, params, key)


def upload(
    path: str, params: Mapping[str, Any], *, key: str, filename: str, content: bytes
) -> StripeObject:
    """Send a file as `multipart/form-data`, which the SDK makes."""
    file = io.BytesIO(content)
    file.name = filename
    sent = {**params, "file": file, "base": "files", "content_type": "multipart/form-data"}
    return _request("post", path, sent, key)


def delete(path: str) -> StripeObject:
    return _request("delete", path)


def every(path: str, params: Mapping[str, Any] | None = None) -> Iterator[StripeObject]:
    """All objects of a list, page by page, newest first as Stripe gives them."""
    query = {"limit": 100, **(params or {})}
    while True:
        page = get(path, query)
        yield from page["data"]
        if not page.get("has_more") or not page["data"]:
            return
        query["starting_after"] = page["data"][-1]["id"]


def _request(
    method: str, path: str, params: Mapping[str, Any] | None = None, key: str = ""
) -> StripeObject:
    options: dict[str, Any] = {"idempotency_key": key} if key else {}
    with stripe_errors():
        response = stripe_client().raw_request(method, path, **(params or {}), **options)
    # A list, or a text from something that is not Stripe, would only fail later and unclearly.
    if not isinstance(response.data, dict):
        raise StripeUnavailable(f"{settings.STRIPE_API_BASE} does not answer as Stripe does.")
    return response.data
