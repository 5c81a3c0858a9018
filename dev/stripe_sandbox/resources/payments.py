"""Payment intents and the charges they make."""

from typing import Any

from dev.stripe_sandbox.cards import decline_error
from dev.stripe_sandbox.context import Context
from dev.stripe_sandbox.errors import ApiError, invalid
from dev.stripe_sandbox.events import emit
from dev.stripe_sandbox.lists import page
from dev.stripe_sandbox.metadata import merged
from dev.stripe_sandbox.money import check_amount, check_currency, minimum_charge
from dev.stripe_sandbox.resources.disputes import open_dispute
from dev.stripe_sandbox.resources.payment_methods import belonging_to, card_of
from dev.stripe_sandbox.router import route
from dev.stripe_sandbox.store import Object

# Stripe's own fee on a charge: 2.9 % and 30 cents.
_FEE_PER_MILLE, _FEE_FIXED = 29, 30


@route("POST", "/v1/payment_intents", "PaymentIntentCreateParams")
def create(ctx: Context, params: dict[str, Any]) -> Object:
    customer, confirmed = None, params.get("confirm", False)
    if params.get("customer"):
        customer = ctx.get("customer", params["customer"], param="customer")["id"]
    intent = new_intent(
        ctx,
        amount=params["amount"],
        currency=params["currency"],
        customer=customer,
        description=params.get("description"),
        metadata=merged({}, params.get("metadata")),
    )
    if params.get("payment_method"):
        if customer is None:
            raise invalid("The sandbox charges customers only.", param="customer")
        method = belonging_to(ctx, params["payment_method"], customer, param="payment_method")
        intent |= {"payment_method": method["id"], "status": "requires_confirmation"}
        ctx.store.save(intent)
        if confirmed:
            return attempt(ctx, intent, method)
    return intent


@route("POST", "/v1/payment_intents/{id}/confirm", "PaymentIntentConfirmParams")
def confirm(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    intent = ctx.get("payment_intent", identifier)
    wanted = params.get("payment_method") or intent["payment_method"]
    if not wanted or not intent["customer"]:
        raise invalid(
            "You cannot confirm this PaymentIntent because it's missing a payment method.",
            code="payment_intent_unexpected_state",
        )
    method = belonging_to(ctx, wanted, intent["customer"], param="payment_method")
    return attempt(ctx, intent, method)


@route("POST", "/v1/payment_intents/{id}/cancel", "PaymentIntentCancelParams")
def cancel(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    intent = ctx.get("payment_intent", identifier)
    if intent["status"] in ("succeeded", "canceled"):
        raise invalid(
            f"You cannot cancel this PaymentIntent because it has a status of {intent['status']}.",
            code="payment_intent_unexpected_state",
        )
    return cancel_intent(ctx, identifier, params.get("cancellation_reason"))


@route("GET", "/v1/payment_intents/{id}", "PaymentIntentRetrieveParams")
def retrieve(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    return ctx.get("payment_intent", identifier)


@route("GET", "/v1/payment_intents", "PaymentIntentListParams")
def listed(ctx: Context, params: dict[str, Any]) -> Object:
    url = "/v1/payment_intents"
    return page(ctx, "payment_intent", params, url=url, customer=params.get("customer"))


@route("GET", "/v1/charges/{id}", "ChargeRetrieveParams")
def retrieve_charge(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    return ctx.get("charge", identifier)


@route("GET", "/v1/charges", "ChargeListParams")
def list_charges(ctx: Context, params: dict[str, Any]) -> Object:
    return page(
        ctx,
        "charge",
        params,
        url="/v1/charges",
        customer=params.get("customer"),
        lookup=params.get("payment_intent"),
    )


@route("GET", "/v1/balance_transactions/{id}", "BalanceTransactionRetrieveParams")
def retrieve_balance_transaction(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    return ctx.get("balance_transaction", identifier)


def new_intent(
    ctx: Context, *, amount: int, currency: str, customer: str | None, **values: Any
) -> Object:
    """A stored intent waiting for a payment method; below the minimum is `ApiError` 400."""
    currency = check_currency(currency)
    least = minimum_charge(currency)
    if check_amount(amount, currency) < least:
        raise invalid(
            f"Amount must be at least {least} in {currency} minor units.",
            param="amount",
            code="amount_too_small",
        )
    intent = ctx.new(
        "PaymentIntent",
        "pi",
        amount=amount,
        capture_method="automatic",
        currency=currency,
        customer=customer,
        payment_method_types=["card"],
        status="requires_payment_method",
        **values,
    )
    intent["client_secret"] = f"{intent['id']}_secret_sandbox"
    ctx.store.insert(intent)
    emit(ctx, "payment_intent.created", intent)
    return intent


def attempt(ctx: Context, intent: Object, method: Object) -> Object:
    """Charge the method; a decline leaves a failed charge and raises `ApiError` 402."""
    if intent["status"] in ("succeeded", "canceled"):
        raise invalid(
            f"This PaymentIntent's status is {intent['status']}; it cannot be confirmed.",
            code="payment_intent_unexpected_state",
        )
    check_amount(intent["amount"], intent["currency"])
    card = card_of(method)
    intent["payment_method"] = method["id"]
    charge = _new_charge(ctx, intent, method)
    intent["latest_charge"] = charge["id"]
    if card.decline is not None:
        _declined(ctx, intent, charge, method, card.decline)
    charge |= {"balance_transaction": _book(ctx, charge), "paid": True, "status": "succeeded"}
    charge |= {"captured": True, "amount_captured": charge["amount"]}
    intent |= {"amount_received": intent["amount"], "status": "succeeded"}
    ctx.store.insert(charge)
    ctx.store.save(intent)
    emit(ctx, "charge.succeeded", charge)
    emit(ctx, "payment_intent.succeeded", intent)
    if card.disputed:
        open_dispute(ctx, charge, reason="fraudulent")
    return intent


def cancel_intent(ctx: Context, identifier: str, reason: str | None) -> Object:
    intent = ctx.get("payment_intent", identifier)
    if intent["status"] != "succeeded":
        intent |= {
            "canceled_at": ctx.now,
            "cancellation_reason": reason,
            "status": "canceled",
        }
        ctx.store.save(intent)
        emit(ctx, "payment_intent.canceled", intent)
    return intent


def _declined(
    ctx: Context, intent: Object, charge: Object, method: Object, decline_code: str
) -> None:
    code, message = decline_error(decline_code)
    charge |= {"failure_code": code, "failure_message": message, "status": "failed"}
    charge["outcome"] |= {
        "network_status": "declined_by_network",
        "reason": decline_code,
        "seller_message": "The bank did not return any further details with this decline.",
        "type": "issuer_declined",
    }
    ctx.store.insert(charge)
    problem = {
        "charge": charge["id"],
        "code": code,
        "decline_code": decline_code,
        "message": message,
        "type": "card_error",
    }
    intent |= {"last_payment_error": problem, "payment_method": None}
    intent["status"] = "requires_payment_method"
    ctx.store.save(intent)
    emit(ctx, "charge.failed", charge)
    emit(ctx, "payment_intent.payment_failed", intent)
    raise ApiError(
        402,
        message,
        type="card_error",
        code=code,
        decline_code=decline_code,
        charge=charge["id"],
        payment_intent={"id": intent["id"], "object": "payment_intent"},
        payment_method={"id": method["id"], "object": "payment_method"},
        keep_effects=True,
    )


def _new_charge(ctx: Context, intent: Object, method: Object) -> Object:
    card = method["card"]
    charge = ctx.new(
        "Charge",
        "ch",
        amount=intent["amount"],
        billing_details=method["billing_details"],
        currency=intent["currency"],
        customer=intent["customer"],
        description=intent["description"],
        fraud_details={},
        metadata=intent["metadata"],
        outcome={
            "network_status": "approved_by_network",
            "reason": None,
            "risk_level": "normal",
            "risk_score": 20,
            "seller_message": "Payment complete.",
            "type": "authorized",
        },
        payment_intent=intent["id"],
        payment_method=method["id"],
        payment_method_details={
            "type": "card",
            "card": {**card, "installments": None, "mandate": None, "three_d_secure": None},
        },
    )
    charge["receipt_url"] = f"/pages/receipts/{charge['id']}"
    return charge


def _book(ctx: Context, charge: Object) -> str:
    fee = charge["amount"] * _FEE_PER_MILLE // 1000 + _FEE_FIXED
    transaction = ctx.new(
        "BalanceTransaction",
        "txn",
        amount=charge["amount"],
        available_on=ctx.now + 2 * 86_400,
        balance_type="payments",
        currency=charge["currency"],
        description=charge["description"],
        fee=fee,
        fee_details=[
            {
                "amount": fee,
                "application": None,
                "currency": charge["currency"],
                "description": "Stripe processing fees",
                "type": "stripe_fee",
            }
        ],
        net=charge["amount"] - fee,
        reporting_category="charge",
        source=charge["id"],
        status="pending",
        type="charge",
    )
    ctx.store.insert(transaction)
    return str(transaction["id"])
