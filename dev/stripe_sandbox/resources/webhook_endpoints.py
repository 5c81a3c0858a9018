"""Webhook endpoints; the signing secret is shown once, when one is created."""

from copy import deepcopy
from typing import Any
from urllib.parse import urlsplit

from dev.stripe_sandbox.context import API_VERSION, Context
from dev.stripe_sandbox.errors import invalid
from dev.stripe_sandbox.lists import page
from dev.stripe_sandbox.metadata import merged
from dev.stripe_sandbox.resources.fields import assign
from dev.stripe_sandbox.router import route
from dev.stripe_sandbox.store import Object

MAX_ENDPOINTS = 16


@route("POST", "/v1/webhook_endpoints", "WebhookEndpointCreateParams")
def create(ctx: Context, params: dict[str, Any]) -> Object:
    if ctx.store.count("webhook_endpoint") >= MAX_ENDPOINTS:
        raise invalid(
            f"You have reached the maximum of {MAX_ENDPOINTS} test webhook endpoints.",
            code="resource_already_exists",
        )
    secret = ctx.store.new_id("whsec", 32)
    endpoint = ctx.new(
        "WebhookEndpoint",
        "we",
        api_version=params.get("api_version", API_VERSION),
        description=params.get("description"),
        enabled_events=_checked_events(params["enabled_events"]),
        metadata=merged({}, params.get("metadata")),
        status="enabled",
        url=_checked_url(params["url"]),
        _secret=secret,
    )
    ctx.store.insert(endpoint)
    return {**endpoint, "secret": secret}


@route("GET", "/v1/webhook_endpoints", "WebhookEndpointListParams")
def listed(ctx: Context, params: dict[str, Any]) -> Object:
    return page(ctx, "webhook_endpoint", params, url="/v1/webhook_endpoints")


@route("GET", "/v1/webhook_endpoints/{id}", "WebhookEndpointRetrieveParams")
def retrieve(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    return ctx.get("webhook_endpoint", identifier)


@route("POST", "/v1/webhook_endpoints/{id}", "WebhookEndpointUpdateParams")
def update(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    endpoint = ctx.get("webhook_endpoint", identifier)
    endpoint = deepcopy(endpoint)
    assign(endpoint, params, "description")
    if "url" in params:
        endpoint["url"] = _checked_url(params["url"])
    if "enabled_events" in params:
        endpoint["enabled_events"] = _checked_events(params["enabled_events"])
    if "disabled" in params:
        endpoint["status"] = "disabled" if params["disabled"] else "enabled"
    if "metadata" in params:
        endpoint["metadata"] = merged(endpoint["metadata"], params["metadata"])
    return ctx.store.save(endpoint)


@route("DELETE", "/v1/webhook_endpoints/{id}", "WebhookEndpointDeleteParams")
def delete(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    ctx.get("webhook_endpoint", identifier)
    ctx.store.remove(identifier)
    return {"id": identifier, "object": "webhook_endpoint", "deleted": True}


def _checked_events(events: list[str]) -> list[str]:
    if not events:
        raise invalid("You must enable at least one event.", param="enabled_events")
    return events


def _checked_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise invalid("Invalid URL: must be an http or https URL.", param="url", code="url_invalid")
    return url
