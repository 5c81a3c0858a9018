"""Setup intents: saving a card for later without charging it."""

from typing import Any

from dev.stripe_sandbox.context import Context
from dev.stripe_sandbox.errors import invalid
from dev.stripe_sandbox.events import emit
from dev.stripe_sandbox.lists import page
from dev.stripe_sandbox.metadata import merged
from dev.stripe_sandbox.resources.payment_methods import attach
from dev.stripe_sandbox.router import route
from dev.stripe_sandbox.store import Object


@route("POST", "/v1/setup_intents", "SetupIntentCreateParams")
def create(ctx: Context, params: dict[str, Any]) -> Object:
    customer = None
    if params.get("customer"):
        customer = ctx.get("customer", params["customer"], param="customer")["id"]
    intent = new_setup_intent(
        ctx,
        customer,
        description=params.get("description"),
        metadata=merged({}, params.get("metadata")),
        usage=params.get("usage", "off_session"),
    )
    method = params.get("payment_method", "")
    return complete(ctx, intent, method) if params.get("confirm") else intent


@route("POST", "/v1/setup_intents/{id}/confirm", "SetupIntentConfirmParams")
def confirm(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    intent = ctx.get("setup_intent", identifier, what="setupintent")
    return complete(ctx, intent, params.get("payment_method", ""))


@route("GET", "/v1/setup_intents/{id}", "SetupIntentRetrieveParams")
def retrieve(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    return ctx.get("setup_intent", identifier, what="setupintent")


@route("GET", "/v1/setup_intents", "SetupIntentListParams")
def listed(ctx: Context, params: dict[str, Any]) -> Object:
    url = "/v1/setup_intents"
    return page(ctx, "setup_intent", params, url=url, customer=params.get("customer"))


def new_setup_intent(ctx: Context, customer: str | None, **values: Any) -> Object:
    intent = ctx.new(
        "SetupIntent",
        "seti",
        customer=customer,
        payment_method_types=["card"],
        status="requires_payment_method",
        **values,
    )
    intent["client_secret"] = f"{intent['id']}_secret_sandbox"
    ctx.store.insert(intent)
    emit(ctx, "setup_intent.created", intent)
    return intent


def complete(ctx: Context, intent: Object, method: str) -> Object:
    """Attach the method to the intent's customer; a bad card is `ApiError` 402."""
    if intent["status"] in ("succeeded", "canceled"):
        raise invalid(
            f"You cannot confirm this SetupIntent because it is {intent['status']}.",
            code="setup_intent_unexpected_state",
        )
    if not intent["customer"]:
        raise invalid("The sandbox saves cards for customers only.", param="customer")
    attached = attach(ctx, method, intent["customer"])
    intent |= {"payment_method": attached["id"], "status": "succeeded"}
    ctx.store.save(intent)
    emit(ctx, "setup_intent.succeeded", intent)
    return intent
