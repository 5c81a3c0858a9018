"""The middleware before dj-stripe's webhook view: what is not Stripe's is neither stored nor run.

The view stores each request before it checks the signature; anyone could fill the database with
it. So the checks are made here first, and only what passes them reaches the view.
"""

import datetime as dt
import logging
import re
from collections.abc import Callable
from ipaddress import ip_address
from uuid import UUID

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.http.request import UnreadablePostError
from django.utils import timezone as clock
from redis.exceptions import RedisError

from invoices.payments.webhooks.bodies import MalformedPayload, parse_event
from invoices.payments.webhooks.events import EventTooEarly
from invoices.payments.webhooks.verification import (
    Refused,
    check_mode,
    check_signature,
    valid_secrets,
)

log = logging.getLogger(__name__)

GetResponse = Callable[[HttpRequest], HttpResponse]
_PATH = re.compile(r"^/stripe/webhook/(?P<uuid>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/?$")
# All of a request's headers are stored with it: these are worth it, and none is a secret.
_KEPT_HEADERS = frozenset({"HTTP_HOST", "HTTP_USER_AGENT", "HTTP_STRIPE_SIGNATURE"})
_WINDOW_SECONDS = 60


class StripeWebhookGuard:
    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        match = _PATH.match(request.path_info)
        if match is None or request.method != "POST":
            return self.get_response(request)
        refusal = _refusal(request, UUID(match["uuid"]), now=clock.now())
        if refusal is not None:
            return _count_refusal(request, refusal)
        _keep_only_harmless_headers(request)
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """An event that came before what it is about: Stripe sends it again later."""
        if isinstance(error, EventTooEarly):
            log.warning("%s", error)
            return _answer(503, str(error), retry_after=60)
        return None


def _refusal(request: HttpRequest, endpoint: UUID, *, now: dt.datetime) -> HttpResponse | None:
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not length.isdecimal() or int(length) > settings.STRIPE_WEBHOOK_MAX_BYTES:
        return _answer(413, f"At most {settings.STRIPE_WEBHOOK_MAX_BYTES} bytes are taken.")
    header = request.headers.get("Stripe-Signature")
    if not header:
        return _answer(400, "The Stripe-Signature header is missing.")
    secrets = valid_secrets(endpoint_uuid=endpoint, now=now)
    if not secrets:
        return _answer(404, "There is no such webhook endpoint.")
    try:
        body = request.body
    except UnreadablePostError:
        return _answer(400, "The body did not arrive.")
    try:
        check_signature(body=_text(body), header=header, secrets=secrets, now=now)
        check_mode(parse_event(body))
    except (Refused, MalformedPayload) as error:
        return _answer(400, str(error))
    return None


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise MalformedPayload("The body is not UTF-8.") from None


def _count_refusal(request: HttpRequest, refusal: HttpResponse) -> HttpResponse:
    """400 and the like become 429 for an address that keeps sending what is refused.

    Signed deliveries never get here, so nobody can have Stripe throttled by sending junk from, or
    through, an address that Stripe's deliveries come from too.
    """
    address = _address(request)
    log.warning("refused a webhook from %s: %s", address, refusal.content.decode())
    key = f"stripe-webhook-refusals:{address}"
    try:
        cache.add(key, 0, timeout=_WINDOW_SECONDS)
        refusals = cache.incr(key)
    except (RedisError, ValueError):
        # Without a cache (or when the window ended in between) there is nothing to count with.
        log.warning("cannot count refused webhooks", exc_info=True)
        return refusal
    if refusals > settings.STRIPE_WEBHOOK_REFUSALS_PER_MINUTE:
        return _answer(429, "Too many refused requests.", retry_after=_WINDOW_SECONDS)
    return refusal


def _keep_only_harmless_headers(request: HttpRequest) -> None:
    address = _address(request)
    for name in [name for name in request.META if name.startswith("HTTP_")]:
        if name not in _KEPT_HEADERS:
            del request.META[name]
    request.META["REMOTE_ADDR"] = address
    # The body was verified as UTF-8; another charset would make dj-stripe read it differently.
    request.META["CONTENT_TYPE"] = "application/json"
    request.encoding = "utf-8"
    request.__dict__.pop("headers", None)  # cached from META when first asked for
    request.COOKIES.clear()


def _address(request: HttpRequest) -> str:
    """The sender's address; behind a proxy, the one that the proxy saw."""
    candidate = request.META.get("REMOTE_ADDR", "")
    if settings.BEHIND_PROXY:
        forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "")
        candidate = forwarded.rsplit(",", 1)[-1].strip() or candidate
    try:
        return str(ip_address(candidate))
    except ValueError:
        return "0.0.0.0"  # noqa: S104 - unknown (a unix socket), not an address to listen on


def _answer(status: int, text: str, *, retry_after: int = 0) -> HttpResponse:
    headers = {"Retry-After": str(retry_after)} if retry_after else {}
    return HttpResponse(text, status=status, content_type="text/plain", headers=headers)
