"""Events, as they are listed and read."""

from typing import Any

from dev.stripe_sandbox.context import Context
from dev.stripe_sandbox.errors import invalid
from dev.stripe_sandbox.lists import page
from dev.stripe_sandbox.router import route
from dev.stripe_sandbox.store import Object


@route("GET", "/v1/events/{id}", "EventRetrieveParams")
def retrieve(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    return ctx.get("event", identifier)


@route("GET", "/v1/events", "EventListParams")
def listed(ctx: Context, params: dict[str, Any]) -> Object:
    """``type`` may end in ``*``; ``types`` names up to twenty."""
    one, several = params.get("type"), params.get("types")
    if one and several:
        raise invalid("You may only specify one of these parameters: type, types.", param="type")

    def wanted(event: Object) -> bool:
        if several:
            return event["type"] in several
        if one and one.endswith("*"):
            return bool(event["type"].startswith(one[:-1]))
        return True

    exact = one if one and not one.endswith("*") else None
    return page(ctx, "event", params, url="/v1/events", lookup=exact, keep=wanted)
