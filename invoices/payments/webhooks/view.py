"""The address that Stripe posts its events to: verified once, stored, dispatched.

What is not Stripe's is refused before anything is stored, or anyone could fill the database. The
rows are dj-stripe's, whose own view stores first, verifies with one secret and hands the event to
handlers that ask Stripe within the transaction; it is not mounted.
"""

import datetime as dt
import logging
import traceback
from uuid import UUID

from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.http.request import UnreadablePostError
from django.utils import timezone as clock
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from djstripe.models import WebhookEndpoint, WebhookEventTrigger

from billing.services.sign_in import client_address
from billing.stripe_accounts import DEFAULT, AccountName, is_configured
from invoices.payments.webhooks.addresses import account_in
from invoices.payments.webhooks.events import EventTooEarly
from invoices.payments.webhooks.processing import process
from invoices.payments.webhooks.verification import (
    MalformedPayload,
    UnverifiedDelivery,
    check_mode,
    check_signature,
    parse_event,
    valid_secrets,
)

log = logging.getLogger(__name__)

# Headers are stored with the delivery: these are worth it, and none is a secret.
_KEPT_HEADERS = ("Host", "User-Agent", "Content-Type", "Content-Length", "Stripe-Signature")
_WINDOW_SECONDS = 60


@csrf_exempt
@require_POST
def webhook(request: HttpRequest, endpoint_uuid: UUID, account: str = DEFAULT) -> HttpResponse:
    """200 once the event has taken effect; Stripe sends it again after anything else."""
    whose = AccountName(account)
    refusal = _refusal(request, endpoint_uuid, whose, now=clock.now())
    if refusal is not None:
        return _count_refusal(request, refusal)
    # By itself, so that a delivery that fails is there to be looked at.
    delivery = _store(request, endpoint_uuid)
    try:
        with transaction.atomic():
            process(delivery, account=whose)
            delivery.save()
    except EventTooEarly as error:
        log.warning("%s", error)
        _note_failure(delivery, error)
        return _answer(503, str(error), retry_after=60)
    except Exception as error:
        _note_failure(delivery, error)
        raise
    return HttpResponse(str(delivery.pk), content_type="text/plain")


def _refusal(
    request: HttpRequest, endpoint: UUID, account: AccountName, *, now: dt.datetime
) -> HttpResponse | None:
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not length.isdecimal() or int(length) > settings.STRIPE_WEBHOOK_MAX_BYTES:
        return _answer(413, f"At most {settings.STRIPE_WEBHOOK_MAX_BYTES} bytes are taken.")
    header = request.headers.get("Stripe-Signature")
    if not header:
        return _answer(400, "The Stripe-Signature header is missing.")
    secrets = valid_secrets(endpoint_uuid=endpoint, now=now)
    if not secrets or not _is_endpoint_of(account, endpoint):
        return _answer(404, "There is no such webhook endpoint.")
    try:
        body = request.body
    except UnreadablePostError:
        return _answer(400, "The body did not arrive.")
    try:
        check_signature(body=_text(body), header=header, secrets=secrets, now=now)
        check_mode(parse_event(body))
    except (UnverifiedDelivery, MalformedPayload) as error:
        return _answer(400, str(error))
    return None


def _is_endpoint_of(account: AccountName, endpoint: UUID) -> bool:
    """Registered for this account, which the settings still have; another's secret is no proof."""
    urls = WebhookEndpoint.objects.filter(djstripe_uuid=endpoint).values_list("url", flat=True)
    return is_configured(account) and any(account_in(url) == account for url in urls)


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
    except ValueError:
        # Without a cache (or when the window ended in between) there is nothing to count with.
        log.warning("cannot count refused webhooks", exc_info=True)
        return refusal
    if refusals > settings.STRIPE_WEBHOOK_REFUSALS_PER_MINUTE:
        return _answer(429, "Too many refused requests.", retry_after=_WINDOW_SECONDS)
    return refusal


def _store(request: HttpRequest, endpoint_uuid: UUID) -> WebhookEventTrigger:
    endpoint = WebhookEndpoint.objects.get(djstripe_uuid=endpoint_uuid)
    headers = {name: request.headers[name] for name in _KEPT_HEADERS if name in request.headers}
    return WebhookEventTrigger.objects.create(
        remote_ip=_address(request),
        headers=headers,
        body=request.body.decode(),
        valid=True,
        stripe_trigger_account=endpoint.djstripe_owner_account,
        webhook_endpoint=endpoint,
    )


def _note_failure(delivery: WebhookEventTrigger, error: Exception) -> None:
    WebhookEventTrigger.objects.filter(pk=delivery.pk).update(
        exception=str(error)[:128], traceback="".join(traceback.format_exception(error))
    )


def _address(request: HttpRequest) -> str:
    return client_address(request) or "0.0.0.0"  # noqa: S104 - unknown: a unix socket has none


def _answer(status: int, text: str, *, retry_after: int = 0) -> HttpResponse:
    headers = {"Retry-After": str(retry_after)} if retry_after else {}
    return HttpResponse(text, status=status, content_type="text/plain", headers=headers)
