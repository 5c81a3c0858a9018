"""Record what happened as Stripe events, and queue them for the webhook endpoints."""

from typing import Any

from dev.stripe_sandbox.context import API_VERSION, Context
from dev.stripe_sandbox.render import rendered
from dev.stripe_sandbox.store import Object, Store


def emit(ctx: Context, type: str, obj: Object, *, previous: Object | None = None) -> Object:
    """Store an event and one delivery for each endpoint that wants its type.

    ``obj`` is the object as the API would answer it; with ``previous``, its state before, the
    event tells what changed (``previous_attributes``).
    """
    data: Object = {"object": rendered(ctx, obj)}
    if previous is not None:
        data["previous_attributes"] = {
            name: value for name, value in previous.items() if obj.get(name) != value
        }
    endpoints = [e for e in ctx.store.newest_first("webhook_endpoint") if _wants(e, type)]
    event: Object = {
        "id": ctx.store.new_id("evt"),
        "object": "event",
        "api_version": API_VERSION,
        "created": ctx.now,
        "data": data,
        "livemode": False,
        "pending_webhooks": len(endpoints),
        "request": {"id": ctx.request_id, "idempotency_key": ctx.idempotency_key},
        "type": type,
    }
    ctx.store.insert(event)
    for endpoint in endpoints:
        queue_delivery(ctx.store, event["id"], endpoint["id"])
        ctx.deliveries_queued += 1
    return event


def save_and_emit(ctx: Context, type: str, obj: Object, before: Object) -> Object:
    """Save an update; tell it only if something changed, as Stripe does."""
    if obj != before:
        ctx.store.save(obj)
        emit(ctx, type, obj, previous=before)
    return obj


def queue_delivery(store: Store, event: str, endpoint: str) -> None:
    store.db.execute(
        "INSERT INTO delivery (event, endpoint, next_attempt) VALUES (?, ?, 0)", (event, endpoint)
    )


def _wants(endpoint: dict[str, Any], type: str) -> bool:
    if endpoint["status"] != "enabled":
        return False
    return "*" in endpoint["enabled_events"] or type in endpoint["enabled_events"]
