"""The one place that speaks to Stripe: account, address, timeout, pace, and dicts for answers.

Each request is made in an account, which whoever calls names: there is none to fall back on. The
SDK retries nothing by itself (`max_network_retries=0`): what may be repeated, when, and under
which idempotency key is decided by whoever calls, with the answer committed in between.
"""

import io
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import stripe
from django.conf import settings

from billing.outage import Outage, Silent
from billing.stripe_accounts import DEFAULT, AccountName, account_of_key, secret_key_of, setting_of
from invoices.payments.services.rate_limit import wait_for_turn
from invoices.payments.services.stripe_errors import (
    StripeNotConfigured,
    StripeUnavailable,
    stripe_errors,
)

# An object of Stripe's API as its JSON says: whole minor units, epoch seconds, ids as text.
StripeObject = dict[str, Any]


@cache
def outage(account: AccountName) -> Outage:
    """Whether Stripe is left alone, as far as this account goes."""
    return Outage("Stripe" if account == DEFAULT else f"Stripe {account}")


class PacedClient(stripe.RequestsClient):
    """Waits for its account's turn before each request; makes none while Stripe is left alone.

    Nor any under a key that no account has (any more): dj-stripe remembers keys of its own.
    """

    def request(  # type: ignore[override]  # the SDK's base class promises text, its subclasses bytes
        self, method: str, url: str, headers: Mapping[str, str], *args: Any, **options: Any
    ) -> tuple[bytes, int, Mapping[str, str]]:
        key = headers.get("Authorization", "").removeprefix("Bearer ")
        account = account_of_key(key)
        if account is None:
            raise stripe.AuthenticationError("No Stripe account of the settings has this key.")
        try:
            with outage(account).asking():
                wait_for_turn(account)
                return super().request(method, url, headers, *args, **options)
        except Silent as error:
            raise stripe.APIConnectionError(str(error)) from error  # type: ignore[no-untyped-call]  # the SDK's


def configure_sdk() -> None:
    """Give dj-stripe, which uses the SDK's module rather than a client, the same terms."""
    stripe.api_base = settings.STRIPE_API_BASE
    stripe.max_network_retries = 0
    stripe.default_http_client = PacedClient(timeout=settings.STRIPE_TIMEOUT_SECONDS)


def require_configured(account: AccountName) -> str:
    """The account's secret key. Raises `StripeNotConfigured` where there is none (any more)."""
    key = secret_key_of(account)
    if key:
        return key
    setting = setting_of(account)
    raise StripeNotConfigured(
        f"Stripe is not configured: set {setting}."
        if account == DEFAULT
        else f"The Stripe account {account} is not configured: set {setting}, and name {account} in"
        " STRIPE_ACCOUNTS."
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


def get(account: AccountName, path: str, params: Mapping[str, Any] | None = None) -> StripeObject:
    """The object at `path`, as in `/v1/invoices/in_123`. Raises `StripeFailure`."""
    return _request(account, "get", path, params)


def post(
    account: AccountName, path: str, params: Mapping[str, Any] | None = None, *, key: str = ""
) -> StripeObject:
    """Create or change what `path` names, under the idempotency key `key` if there is one."""
    return _request(account, "post", path, params, key)


def upload(
    account: AccountName,
    path: str,
    params: Mapping[str, Any],
    *,
    key: str,
    filename: str,
    content: bytes,
) -> StripeObject:
    """Send a file as `multipart/form-data`, which the SDK makes."""
    file = io.BytesIO(content)
    file.name = filename
    sent = {**params, "file": file, "base": "files", "content_type": "multipart/form-data"}
    return _request(account, "post", path, sent, key)


def delete(account: AccountName, path: str) -> StripeObject:
    return _request(account, "delete", path)


def every(
    account: AccountName, path: str, params: Mapping[str, Any] | None = None
) -> Iterator[StripeObject]:
    """All objects of a list, page by page, newest first as Stripe gives them."""
    query = {"limit": 100, **(params or {})}
    while True:
        page = get(account, path, query)
        yield from page["data"]
        if not page.get("has_more") or not page["data"]:
            return
        query["starting_after"] = page["data"][-1]["id"]


def _request(
    account: AccountName,
    method: str,
    path: str,
    params: Mapping[str, Any] | None = None,
    key: str = "",
) -> StripeObject:
    options: dict[str, Any] = {"idempotency_key": key} if key else {}
    client = _client(
        require_configured(account), settings.STRIPE_API_BASE, settings.STRIPE_TIMEOUT_SECONDS
    )
    with stripe_errors():
        response = client.raw_request(method, path, **(params or {}), **options)
    # A list, or a text from something that is not Stripe, would only fail later and unclearly.
    if not isinstance(response.data, dict):
        raise StripeUnavailable(f"{settings.STRIPE_API_BASE} does not answer as Stripe does.")
    return response.data
