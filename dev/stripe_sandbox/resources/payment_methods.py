"""Payment methods: Stripe's test cards, attached to customers."""

from copy import deepcopy
from typing import Any

from dev.stripe_sandbox.cards import CARDS, TestCard, by_number, decline_error
from dev.stripe_sandbox.context import Context
from dev.stripe_sandbox.errors import ApiError, invalid
from dev.stripe_sandbox.events import emit, save_and_emit
from dev.stripe_sandbox.lists import page
from dev.stripe_sandbox.metadata import merged
from dev.stripe_sandbox.resources.fields import address
from dev.stripe_sandbox.router import route
from dev.stripe_sandbox.store import Object


@route("POST", "/v1/payment_methods", "PaymentMethodCreateParams")
def create(ctx: Context, params: dict[str, Any]) -> Object:
    if params.get("type") != "card":
        raise invalid("The sandbox knows cards only (type=card).", param="type")
    card = params.get("card") or {}
    token = card.get("token", "").replace("tok_", "pm_card_")
    name = token or by_number(card.get("number", ""))
    if name not in CARDS:
        raise ApiError(
            402,
            "Your card number is incorrect. The sandbox takes Stripe's test cards only.",
            type="card_error",
            code="incorrect_number",
            param="card[number]",
        )
    method = _new(ctx, name)
    _assign(method, params)
    return ctx.store.insert(method)


@route("GET", "/v1/payment_methods", "PaymentMethodListParams")
def listed(ctx: Context, params: dict[str, Any]) -> Object:
    wanted = params.get("type")
    return page(
        ctx,
        "payment_method",
        params,
        url="/v1/payment_methods",
        customer=params.get("customer"),
        keep=lambda method: wanted in (None, method["type"]),
    )


@route("GET", "/v1/payment_methods/{id}", "PaymentMethodRetrieveParams")
def retrieve(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    if identifier in CARDS:
        return _new(ctx, identifier) | {"id": identifier}
    return ctx.get("payment_method", identifier, what="PaymentMethod")


@route("POST", "/v1/payment_methods/{id}", "PaymentMethodUpdateParams")
def update(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    method = ctx.get("payment_method", identifier, what="PaymentMethod")
    before = deepcopy(method)
    _assign(method, params)
    return save_and_emit(ctx, "payment_method.updated", method, before)


@route("POST", "/v1/payment_methods/{id}/attach", "PaymentMethodAttachParams")
def attach_endpoint(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    customer = ctx.get("customer", params.get("customer", ""), param="customer")
    return attach(ctx, identifier, customer["id"])


@route("POST", "/v1/payment_methods/{id}/detach", "PaymentMethodDetachParams")
def detach(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    method = ctx.get("payment_method", identifier, what="PaymentMethod")
    if method["customer"] is None:
        raise invalid(
            "The payment method you provided is not attached to a customer so detachment is "
            "impossible."
        )
    customer = ctx.get("customer", method["customer"])
    before = deepcopy(method)
    method["customer"] = None
    ctx.store.save(method)
    if customer["invoice_settings"]["default_payment_method"] == identifier:
        customer_before = deepcopy(customer)
        customer["invoice_settings"]["default_payment_method"] = None
        save_and_emit(ctx, "customer.updated", customer, customer_before)
    emit(ctx, "payment_method.detached", method, previous=before)
    return method


def attach(ctx: Context, identifier: str, customer: str) -> Object:
    """Save a method to a customer; a test card's name makes a new method each time."""
    known = identifier in CARDS
    method = (
        _new(ctx, identifier)
        if known
        else ctx.get("payment_method", identifier, param="payment_method", what="PaymentMethod")
    )
    if method["customer"] not in (None, customer):
        raise invalid(
            "The payment method you provided has already been attached to a customer.",
            param="payment_method",
        )
    card = card_of(method)
    if card.decline and not card.attachable:
        code, message = decline_error(card.decline)
        raise ApiError(402, message, type="card_error", code=code, decline_code=card.decline)
    method["customer"] = customer
    if known:
        ctx.store.insert(method)
    else:
        ctx.store.save(method)
    emit(ctx, "payment_method.attached", method)
    return method


def belonging_to(ctx: Context, identifier: str, customer: str, *, param: str) -> Object:
    """The customer's own method; a test card's name is attached first. Else `ApiError` 400."""
    if identifier in CARDS:
        return attach(ctx, identifier, customer)
    method = ctx.get("payment_method", identifier, param=param, what="PaymentMethod")
    if method["customer"] != customer:
        raise invalid(
            f"The customer does not have a payment method with the ID {identifier}. The payment "
            "method must be attached to the customer.",
            param=param,
            code="resource_missing",
        )
    return method


def card_of(method: Object) -> TestCard:
    return CARDS[method["_test_card"]]


def _new(ctx: Context, name: str) -> Object:
    card = CARDS[name]
    method = ctx.new("PaymentMethod", "pm", type="card", allow_redisplay="unspecified")
    # Of the other kinds of method an answer has only the one it is of.
    sent = {"id", "object", "allow_redisplay", "billing_details", "created", "customer"}
    sent |= {"customer_account", "livemode", "metadata", "type"}
    method = {key: value for key, value in method.items() if key in sent}
    method["billing_details"]["address"] = address({"country": None})
    method["metadata"] = {}
    method["_test_card"] = name
    method["card"] = {
        "brand": card.brand,
        "checks": {
            "address_line1_check": None,
            "address_postal_code_check": None,
            "cvc_check": "pass",
        },
        "country": "US",
        "display_brand": card.brand,
        "exp_month": 12,
        "exp_year": 2034,
        "fingerprint": f"Sandbox{card.brand}{card.last4}",
        "funding": card.funding,
        "generated_from": None,
        "last4": card.last4,
        "networks": {"available": [card.brand], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": True},
        "wallet": None,
    }
    return method


def _assign(method: Object, params: dict[str, Any]) -> None:
    details = params.get("billing_details")
    if details:
        method["billing_details"] |= details
        if "address" in details:
            method["billing_details"]["address"] = address(details["address"])
    if "metadata" in params:
        method["metadata"] = merged(method["metadata"], params["metadata"])
