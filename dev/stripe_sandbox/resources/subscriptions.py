"""Subscriptions: created active with a first invoice, changed a little, and cancelled."""

import calendar
import datetime
from copy import deepcopy
from typing import Any

from dev.stripe_sandbox.context import Context
from dev.stripe_sandbox.errors import invalid, refuse_unsupported
from dev.stripe_sandbox.events import emit, save_and_emit
from dev.stripe_sandbox.lists import page
from dev.stripe_sandbox.metadata import merged
from dev.stripe_sandbox.resources.fields import assign
from dev.stripe_sandbox.resources.invoice_items import add_item
from dev.stripe_sandbox.resources.invoice_lifecycle import finalize
from dev.stripe_sandbox.resources.invoice_totals import recompute
from dev.stripe_sandbox.resources.invoices import new_invoice, subscription_parent
from dev.stripe_sandbox.resources.payment_methods import belonging_to
from dev.stripe_sandbox.resources.prices import price_from
from dev.stripe_sandbox.router import route
from dev.stripe_sandbox.store import Object

_NOT_MODELLED = (
    "discounts default_tax_rates automatic_tax add_invoice_items trial_end "
    "trial_period_days backdate_start_date billing_cycle_anchor"
).split()
_DAYS = {"day": 1, "week": 7}
_MONTHS = {"month": 1, "year": 12}


@route("POST", "/v1/subscriptions", "SubscriptionCreateParams")
def create(ctx: Context, params: dict[str, Any]) -> Object:
    refuse_unsupported(params, *_NOT_MODELLED)
    if not params.get("customer"):
        raise invalid("Missing required param: customer.", param="customer")
    if not params.get("items"):
        raise invalid("Missing required param: items.", param="items")
    customer = ctx.get("customer", params["customer"], param="customer")
    subscription = ctx.new(
        "Subscription",
        "sub",
        billing_cycle_anchor=ctx.now,
        cancellation_details={"comment": None, "feedback": None, "reason": None},
        collection_method=params.get("collection_method", "charge_automatically"),
        customer=customer["id"],
        days_until_due=params.get("days_until_due"),
        default_tax_rates=[],
        start_date=ctx.now,
        status="active",
    )
    del subscription["items"]
    _assign(ctx, subscription, params)
    ctx.store.insert(subscription)
    items = [_add_item(ctx, subscription, item) for item in params["items"]]
    subscription["currency"] = items[0][1]["currency"]
    subscription["latest_invoice"] = _first_invoice(ctx, subscription, customer, items)
    ctx.store.save(subscription)
    emit(ctx, "customer.subscription.created", subscription)
    return subscription


@route("GET", "/v1/subscriptions/{id}", "SubscriptionRetrieveParams")
def retrieve(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    return ctx.get("subscription", identifier)


@route("GET", "/v1/subscriptions", "SubscriptionListParams")
def listed(ctx: Context, params: dict[str, Any]) -> Object:
    """Without ``status``, all but the cancelled ones."""
    wanted = params.get("status")
    return page(
        ctx,
        "subscription",
        params,
        url="/v1/subscriptions",
        customer=params.get("customer"),
        keep=lambda subscription: (
            wanted == "all"
            or (
                subscription["status"] == wanted if wanted else subscription["status"] != "canceled"
            )
        ),
    )


@route("POST", "/v1/subscriptions/{id}", "SubscriptionUpdateParams")
def update(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    subscription = ctx.get("subscription", identifier)
    _refuse_canceled(subscription)
    refuse_unsupported(params, *_NOT_MODELLED, "items")
    before = deepcopy(subscription)
    _assign(ctx, subscription, params)
    if "cancel_at_period_end" in params:
        flag = params["cancel_at_period_end"]
        item = next(iter(ctx.store.oldest_first("subscription_item", lookup=identifier)))
        subscription["cancel_at_period_end"] = flag
        subscription["cancel_at"] = item["current_period_end"] if flag else None
        subscription["canceled_at"] = ctx.now if flag else None
    return save_and_emit(ctx, "customer.subscription.updated", subscription, before)


@route("DELETE", "/v1/subscriptions/{id}", "SubscriptionCancelParams")
def cancel(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    subscription = ctx.get("subscription", identifier)
    _refuse_canceled(subscription)
    details = params.get("cancellation_details") or {}
    subscription["cancellation_details"] |= details | {"reason": "cancellation_requested"}
    return end_subscription(ctx, subscription)


@route("GET", "/v1/subscription_items", "SubscriptionItemListParams")
def items(ctx: Context, params: dict[str, Any]) -> Object:
    ctx.get("subscription", params["subscription"], param="subscription")
    found = page(
        ctx,
        "subscription_item",
        params,
        url="/v1/subscription_items",
        lookup=params["subscription"],
    )
    found["data"] = [_with_price(ctx, item) for item in found["data"]]
    return found


@route("GET", "/v1/subscription_items/{id}", "SubscriptionItemRetrieveParams")
def retrieve_item(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    return _with_price(ctx, ctx.get("subscription_item", identifier))


def end_subscription(ctx: Context, subscription: Object) -> Object:
    subscription |= {"canceled_at": ctx.now, "ended_at": ctx.now, "status": "canceled"}
    ctx.store.save(subscription)
    emit(ctx, "customer.subscription.deleted", subscription)
    return subscription


def cancel_all_of(ctx: Context, customer: str) -> None:
    for subscription in list(ctx.store.newest_first("subscription", customer=customer)):
        if subscription["status"] != "canceled":
            end_subscription(ctx, subscription)


def _assign(ctx: Context, subscription: Object, params: dict[str, Any]) -> None:
    assign(subscription, params, "description", "days_until_due", "collection_method")
    if params.get("default_payment_method"):
        subscription["default_payment_method"] = belonging_to(
            ctx,
            params["default_payment_method"],
            subscription["customer"],
            param="default_payment_method",
        )["id"]
    if "metadata" in params:
        subscription["metadata"] = merged(subscription["metadata"], params["metadata"])


def _add_item(ctx: Context, subscription: Object, given: dict[str, Any]) -> tuple[Object, Object]:
    price = price_from(ctx, given)
    if price["recurring"] is None:
        raise invalid(
            f"The price specified is set to `type=one_time` but this field only accepts prices "
            f"with `type=recurring` ({price['id']}).",
            param="items[0][price]",
        )
    item = ctx.new(
        "SubscriptionItem",
        "si",
        current_period_start=ctx.now,
        current_period_end=_next(ctx.now, price["recurring"]),
        metadata=merged({}, given.get("metadata")),
        price=price["id"],
        quantity=given.get("quantity", 1),
        subscription=subscription["id"],
        tax_rates=[],
    )
    return ctx.store.insert(item), price


def _first_invoice(
    ctx: Context, subscription: Object, customer: Object, items: list[tuple[Object, Object]]
) -> str:
    params = {
        "currency": subscription["currency"],
        "collection_method": subscription["collection_method"],
        "auto_advance": True,
    }
    if subscription["collection_method"] == "send_invoice":
        params["days_until_due"] = subscription["days_until_due"] or 30
    invoice = new_invoice(ctx, customer, params, billing_reason="subscription_create")
    invoice["parent"] = subscription_parent(subscription)
    ctx.store.insert(invoice)
    for item, price in items:
        line = {
            "pricing": {"price": price["id"]},
            "quantity": item["quantity"],
            "period": {
                "start": item["current_period_start"],
                "end": item["current_period_end"],
            },
        }
        add_item(ctx, customer["id"], invoice, line)
    recompute(ctx, invoice, tell=False)
    emit(ctx, "invoice.created", invoice)
    finalize(ctx, invoice)
    return str(invoice["id"])


def _with_price(ctx: Context, item: Object) -> Object:
    return {**item, "price": ctx.store.find(item["price"], "price")}


def _refuse_canceled(subscription: Object) -> None:
    if subscription["status"] == "canceled":
        raise invalid(
            f"No such subscription: '{subscription['id']}'; it is canceled.",
            code="resource_missing",
        )


def _next(start: int, recurring: dict[str, Any]) -> int:
    """The same time of day one interval later, on the last day of a shorter month."""
    moment = datetime.datetime.fromtimestamp(start, tz=datetime.UTC)
    count = recurring["interval_count"]
    if recurring["interval"] in _DAYS:
        return start + _DAYS[recurring["interval"]] * count * 86_400
    months = moment.month - 1 + _MONTHS[recurring["interval"]] * count
    year, month = moment.year + months // 12, months % 12 + 1
    day = min(moment.day, calendar.monthrange(year, month)[1])
    return int(moment.replace(year=year, month=month, day=day).timestamp())
