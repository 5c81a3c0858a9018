"""Checkout sessions in setup mode: a page where a customer saves a card."""

from typing import Any

from dev.stripe_sandbox.context import Context
from dev.stripe_sandbox.errors import invalid
from dev.stripe_sandbox.events import emit
from dev.stripe_sandbox.lists import equals, list_object, page
from dev.stripe_sandbox.metadata import merged
from dev.stripe_sandbox.resources.fields import assign
from dev.stripe_sandbox.resources.setup_intents import complete, new_setup_intent
from dev.stripe_sandbox.router import route
from dev.stripe_sandbox.store import Object

DAY = 86_400


@route("POST", "/v1/checkout/sessions", "checkout.SessionCreateParams")
def create(ctx: Context, params: dict[str, Any]) -> Object:
    if params.get("mode") != "setup":
        raise invalid("The sandbox's checkout knows mode=setup only.", param="mode")
    if params.get("ui_mode", "hosted_page") not in ("hosted", "hosted_page"):
        raise invalid("The sandbox's checkout is hosted only.", param="ui_mode")
    if not params.get("success_url"):
        raise invalid(
            "Missing required param: success_url.", param="success_url", code="parameter_missing"
        )
    if not params.get("customer"):
        raise invalid("The sandbox saves cards for customers only.", param="customer")
    customer = ctx.get("customer", params["customer"], param="customer")
    setup = params.get("setup_intent_data") or {}
    intent = new_setup_intent(
        ctx,
        customer["id"],
        description=setup.get("description"),
        metadata=merged({}, setup.get("metadata")),
        usage="off_session",
    )
    session = ctx.new(
        "checkout.Session",
        "cs_test",
        currency=params.get("currency"),
        customer=customer["id"],
        customer_details={
            "address": customer["address"],
            "email": customer["email"],
            "name": customer["name"],
            "phone": customer["phone"],
            "tax_exempt": customer["tax_exempt"],
            "tax_ids": [],
        },
        expires_at=params.get("expires_at", ctx.now + DAY),
        metadata=merged({}, params.get("metadata")),
        mode="setup",
        payment_method_collection="always",
        payment_method_types=["card"],
        payment_status="no_payment_required",
        setup_intent=intent["id"],
        status="open",
        ui_mode="hosted_page",
    )
    assign(session, params, "cancel_url", "client_reference_id", "locale", "success_url")
    session["url"] = f"/pages/checkout/{session['id']}"
    return ctx.store.insert(session)


@route("GET", "/v1/checkout/sessions/{id}", "checkout.SessionRetrieveParams")
def retrieve(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    return ctx.get("checkout.session", identifier)


@route("GET", "/v1/checkout/sessions", "checkout.SessionListParams")
def listed(ctx: Context, params: dict[str, Any]) -> Object:
    return page(
        ctx,
        "checkout.session",
        params,
        url="/v1/checkout/sessions",
        customer=params.get("customer"),
        keep=equals(params, "status", "payment_intent", "subscription"),
    )


@route("GET", "/v1/checkout/sessions/{id}/line_items", "checkout.SessionListLineItemsParams")
def line_items(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    ctx.get("checkout.session", identifier)
    return list_object([], url=f"/v1/checkout/sessions/{identifier}/line_items")


@route("POST", "/v1/checkout/sessions/{id}/expire", "checkout.SessionExpireParams")
def expire(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    session = ctx.get("checkout.session", identifier)
    if session["status"] != "open":
        raise invalid(f"Only an open session can be expired; this one is {session['status']}.")
    session |= {"status": "expired", "url": None}
    ctx.store.save(session)
    emit(ctx, "checkout.session.expired", session)
    return session


def complete_session(ctx: Context, session: Object, card: str) -> Object:
    """The customer chose a test card on the page; it is saved, not made the default."""
    if session["status"] != "open" or session["expires_at"] <= ctx.now:
        raise invalid("This checkout session is no longer open.")
    complete(ctx, ctx.get("setup_intent", session["setup_intent"]), card)
    session |= {"status": "complete", "url": None}
    ctx.store.save(session)
    emit(ctx, "checkout.session.completed", session)
    return session
