"""What can go wrong with a request to Stripe, told apart by what to do about it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import stripe

from billing.errors import BillingError


class StripeFailure(BillingError):
    """A request that Stripe did not carry out, or that we cannot tell about."""

    status = 502
    code = "stripe_failed"


class StripeUnavailable(StripeFailure):
    """Try again later: no answer, 429, 5xx, a busy key, or keys that Stripe does not accept now.

    `retry_after` is what Stripe asked us to wait, in seconds. `key_spent` says that the
    idempotency key would only give this same answer again.
    """

    status = 503
    code = "stripe_unavailable"

    def __init__(
        self,
        detail: str,
        *,
        retry_after: float | None = None,
        server_error: bool = False,
        key_spent: bool = False,
    ) -> None:
        super().__init__(detail)
        self.retry_after = retry_after
        self.server_error = server_error
        self.key_spent = key_spent


class StripeNotConfigured(StripeUnavailable):
    """The settings have no key for the account (any more): it waits until they do."""

    code = "stripe_not_configured"


class StripeRefused(StripeFailure):
    """Stripe will not do it however often it is asked; `code` and `param` are Stripe's own."""

    def __init__(self, detail: str, *, stripe_code: str = "", param: str = "") -> None:
        super().__init__(detail)
        self.stripe_code = stripe_code
        self.param = param


class StripeMissing(StripeRefused):
    """What a path or a parameter names does not exist in Stripe (any more)."""

    code = "stripe_missing"


class CardDeclined(StripeRefused):
    status = 402
    code = "card_declined"


@contextmanager
def stripe_errors() -> Iterator[None]:
    """Turn the SDK's errors into ours."""
    try:
        yield
    except stripe.StripeError as error:
        raise explained(error) from error


def explained(error: stripe.StripeError) -> StripeFailure:
    detail = _detail(error)
    status = error.http_status or 0
    headers = error.headers or {}
    param = getattr(error, "param", None) or ""
    if isinstance(error, stripe.APIConnectionError):
        return StripeUnavailable(f"Stripe cannot be reached: {_first_line(detail)}")
    if isinstance(error, stripe.CardError):
        return CardDeclined(detail, stripe_code=error.code or "card_declined", param=param)
    if isinstance(error, stripe.IdempotencyError) and status == 400:
        # Other parameters under a used key: only a new key helps, after a look at what is there.
        return StripeUnavailable(detail, key_spent=True)
    if isinstance(error, stripe.AuthenticationError | stripe.PermissionError):
        # A wrong key is nobody's invoice's fault: everything waits until it is put right.
        return StripeUnavailable(f"Stripe does not accept the secret key: {detail}")
    if error.code == "resource_missing" or status == 404:
        return StripeMissing(detail, stripe_code=error.code or "", param=param)
    if status in (409, 429) or status >= 500 or not 400 <= status < 500:
        return StripeUnavailable(
            detail,
            retry_after=_seconds(_header(headers, "Retry-After")),
            server_error=status >= 500,
            key_spent=_replayed(headers),
        )
    return StripeRefused(detail, stripe_code=error.code or "", param=param)


def _detail(error: stripe.StripeError) -> str:
    message = str(error.user_message or error)
    return f"{message} (request {error.request_id})" if error.request_id else message


def _first_line(text: str) -> str:
    return text.strip().splitlines()[-1].strip() if text.strip() else "no answer"


def _replayed(headers: Mapping[str, str]) -> bool:
    return _header(headers, "Idempotent-Replayed").lower() == "true"


def _header(headers: Mapping[str, str], name: str) -> str:
    return headers.get(name) or headers.get(name.lower()) or ""


def _seconds(value: str) -> float | None:
    try:
        return max(0.0, float(value)) if value else None
    except ValueError:
        return None  # a date: our own backoff is as good
