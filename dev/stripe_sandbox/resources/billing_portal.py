"""Billing portal sessions: a page where a customer changes the default card and sees invoices."""

from copy import deepcopy
from typing import Any

from dev.stripe_sandbox.context import Context
from dev.stripe_sandbox.errors import invalid
from dev.stripe_sandbox.events import save_and_emit
from dev.stripe_sandbox.resources.payment_methods import attach
from dev.stripe_sandbox.router import route
from dev.stripe_sandbox.store import Object

CONFIGURATION_ID = "bpc_1Sandbox00000000"
_FLOWS = ("payment_method_update",)


@route("POST", "/v1/billing_portal/sessions", "billing_portal.SessionCreateParams")
def create(ctx: Context, params: dict[str, Any]) -> Object:
    if not params.get("customer"):
        raise invalid("Missing required param: customer.", param="customer")
    customer = ctx.get("customer", params["customer"], param="customer")
    flow = params.get("flow_data")
    if flow and flow["type"] not in _FLOWS:
        raise invalid(f"The sandbox's portal has no flow {flow['type']}.", param="flow_data[type]")
    session = ctx.new(
        "billing_portal.Session",
        "bps",
        configuration=params.get("configuration", CONFIGURATION_ID),
        customer=customer["id"],
        flow=flow and _flow(flow),
        locale=params.get("locale"),
        return_url=params.get("return_url"),
    )
    session["url"] = f"/pages/portal/{session['id']}"
    return ctx.store.insert(session)


def change_default_card(ctx: Context, session: Object, card: str) -> Object:
    """Save the chosen test card and make it the customer's default."""
    customer = ctx.get("customer", session["customer"])
    before = deepcopy(customer)
    method = attach(ctx, card, customer["id"])
    customer["invoice_settings"]["default_payment_method"] = method["id"]
    return save_and_emit(ctx, "customer.updated", customer, before)


def return_url_of(session: Object) -> str | None:
    """Where the customer goes when done."""
    after = (session["flow"] or {}).get("after_completion") or {}
    redirect: str | None = (after.get("redirect") or {}).get("return_url")
    return redirect or session["return_url"]


def _flow(given: dict[str, Any]) -> Object:
    after = given.get("after_completion") or {"type": "portal_homepage"}
    return {
        "after_completion": {
            "hosted_confirmation": after.get("hosted_confirmation"),
            "redirect": after.get("redirect"),
            "type": after["type"],
        },
        "subscription_cancel": None,
        "subscription_update": None,
        "subscription_update_confirm": None,
        "type": given["type"],
    }
