"""Refunds, whole or in part, and what they do to the charge."""

from copy import deepcopy
from typing import Any

from dev.stripe_sandbox.context import Context
from dev.stripe_sandbox.errors import invalid
from dev.stripe_sandbox.events import emit, save_and_emit
from dev.stripe_sandbox.lists import equals, page
from dev.stripe_sandbox.metadata import merged
from dev.stripe_sandbox.money import check_amount, formatted
from dev.stripe_sandbox.router import route
from dev.stripe_sandbox.store import Object


@route("POST", "/v1/refunds", "RefundCreateParams")
def create(ctx: Context, params: dict[str, Any]) -> Object:
    charge = _charge(ctx, params)
    return refund_charge(
        ctx,
        charge,
        amount=params.get("amount"),
        reason=params.get("reason"),
        metadata=merged({}, params.get("metadata")),
    )


@route("GET", "/v1/refunds/{id}", "RefundRetrieveParams")
def retrieve(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    return ctx.get("refund", identifier)


@route("GET", "/v1/refunds", "RefundListParams")
def listed(ctx: Context, params: dict[str, Any]) -> Object:
    return page(
        ctx,
        "refund",
        params,
        url="/v1/refunds",
        lookup=params.get("charge"),
        keep=equals(params, "payment_intent"),
    )


@route("POST", "/v1/refunds/{id}", "RefundUpdateParams")
def update(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    refund = ctx.get("refund", identifier)
    before = deepcopy(refund)
    refund["metadata"] = merged(refund["metadata"], params.get("metadata"))
    return save_and_emit(ctx, "refund.updated", refund, before)


@route("GET", "/v1/charges/{id}/refunds", "ChargeListRefundsParams")
def of_charge(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    ctx.get("charge", identifier)
    url = f"/v1/charges/{identifier}/refunds"
    return page(ctx, "refund", params, url=url, lookup=identifier)


def refund_charge(
    ctx: Context,
    charge: Object,
    *,
    amount: int | None,
    reason: str | None = None,
    metadata: dict[str, str] | None = None,
) -> Object:
    """Give ``amount`` minor units back, or all that is left."""
    left = charge["amount_captured"] - charge["amount_refunded"]
    if charge["status"] != "succeeded":
        raise invalid(f"The charge {charge['id']} did not succeed and cannot be refunded.")
    if charge["disputed"]:
        raise invalid(
            f"Charge {charge['id']} has been charged back; cannot issue a refund.",
            code="charge_disputed",
        )
    if left == 0:
        raise invalid(
            f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded"
        )
    amount = left if amount is None else amount
    if amount <= 0:
        raise invalid("Invalid positive integer", param="amount", code="parameter_invalid_integer")
    check_amount(amount, charge["currency"])
    if amount > left:
        raise invalid(
            f"Refund amount ({formatted(amount, charge['currency'])}) is greater than unrefunded "
            f"amount on charge ({formatted(left, charge['currency'])})",
            param="amount",
        )
    refund = ctx.new(
        "Refund",
        "re",
        amount=amount,
        charge=charge["id"],
        currency=charge["currency"],
        destination_details={"card": {"type": "refund"}, "type": "card"},
        metadata=metadata or {},
        payment_intent=charge["payment_intent"],
        reason=reason,
        status="succeeded",
    )
    ctx.store.insert(refund)
    before = deepcopy(charge)
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount_captured"]
    ctx.store.save(charge)
    emit(ctx, "refund.created", refund)
    emit(ctx, "charge.refunded", charge, previous=before)
    emit(ctx, "refund.updated", refund)
    return refund


def _charge(ctx: Context, params: dict[str, Any]) -> Object:
    if params.get("charge"):
        return ctx.get("charge", params["charge"], param="charge")
    if not params.get("payment_intent"):
        raise invalid(
            "One of the following params should be provided for this request: payment_intent or "
            "charge.",
            param="charge",
        )
    intent = ctx.get("payment_intent", params["payment_intent"], param="payment_intent")
    if intent["status"] != "succeeded":
        raise invalid(
            f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund.",
            param="payment_intent",
        )
    return ctx.get("charge", intent["latest_charge"])
