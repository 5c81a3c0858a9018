"""Webhooks as Stripe posts them: events, their signatures, and the endpoint they go to."""

import hashlib
import hmac
import json
import time
from typing import Any
from uuid import UUID, uuid4

from django.http import HttpResponse
from django.test import Client
from djstripe.models import WebhookEndpoint

SECRET = "whsec_first0123456789"


def endpoint(secret: str = SECRET, *, account: str = "") -> WebhookEndpoint:
    uuid = uuid4()
    whose = f"{account}/" if account else ""
    return WebhookEndpoint.objects.create(
        id=f"we_{uuid.hex[:12]}",
        url=f"http://testserver/stripe/webhook/{whose}{uuid}/",
        djstripe_uuid=uuid,
        secret=secret,
        enabled_events=["*"],
        status="enabled",
        livemode=False,
        api_version="2026-08-26.dahlia",
    )


def event(type: str, subject: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "id": f"evt_{uuid4().hex[:16]}",
        "object": "event",
        "api_version": "2026-08-26.dahlia",
        "created": int(time.time()),
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": type,
        "data": {"object": subject},
        **fields,
    }


def about(type: str, stripe_invoice_id: str = "in_1", **fields: Any) -> dict[str, Any]:
    """An event about an invoice in Stripe."""
    return event(type, {"id": stripe_invoice_id, "object": "invoice", **fields})


def signature(body: bytes, *, secret: str = SECRET, at: float | None = None) -> str:
    timestamp = int(at if at is not None else time.time())
    signed = f"{timestamp}.".encode() + body
    return f"t={timestamp},v1={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}"


def post(
    uuid: UUID,
    payload: dict[str, Any] | bytes,
    *,
    secret: str = SECRET,
    at: float | None = None,
    header: str | None = None,
    account: str = "",
    **extra: Any,
) -> HttpResponse:
    """Deliver to the site under test; a server error is answered, not raised."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    whose = f"{account}/" if account else ""
    return Client(raise_request_exception=False).post(
        f"/stripe/webhook/{whose}{uuid}/",
        data=body,
        content_type="application/json; charset=utf-8",
        headers={
            "Stripe-Signature": header
            if header is not None
            else signature(body, secret=secret, at=at)
        },
        **extra,
    )
