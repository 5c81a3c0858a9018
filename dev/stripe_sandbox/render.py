"""Objects as the API answers them: with their lists embedded and `expand[]` followed."""

from collections.abc import Callable
from typing import Any

from dev.stripe_sandbox.context import Context
from dev.stripe_sandbox.errors import invalid
from dev.stripe_sandbox.lists import list_object
from dev.stripe_sandbox.store import Object

EMBEDDED_LINES = 10
PAGES_PREFIX = "/pages/"
MAX_DEPTH = 4


def rendered(ctx: Context, obj: Object) -> Object:
    """The object with the lists Stripe embeds in it (an invoice's first ten lines).

    Names with a leading underscore are the sandbox's own notes and never sent. Addresses of its
    pages are kept without a host, because after a restart the port may be another.
    """
    if obj.get("deleted"):
        return obj
    public = {
        name: ctx.base_url + value
        if isinstance(value, str) and value.startswith(PAGES_PREFIX)
        else value
        for name, value in obj.items()
        if not name.startswith("_")
    }
    embed = _EMBEDDED.get(obj["object"])
    return {**public, **embed(ctx, obj)} if embed else public


def answer(ctx: Context, obj: Object, expand: list[str]) -> Object:
    """What the API answers for ``obj``: `rendered`, and expanded."""
    if obj.get("object") in ("list", "search_result"):
        result = {**obj, "data": [rendered(ctx, item) for item in obj["data"]]}
    else:
        result = rendered(ctx, obj)
    for path in expand:
        segments = path.split(".")
        if len(segments) > MAX_DEPTH:
            raise invalid(
                f"You cannot expand more than {MAX_DEPTH} levels of a property. Property: {path}",
                param="expand",
            )
        result = _expanded(ctx, result, segments, path)
    return result


def _expanded(ctx: Context, node: Any, segments: list[str], path: str) -> Any:
    """A copy of ``node`` with the property at ``segments`` replaced by what it refers to."""
    if node is None or not segments:
        return node
    if isinstance(node, list):
        return [_expanded(ctx, item, segments, path) for item in node]
    if not isinstance(node, dict):
        raise _not_expandable(path)
    name, rest = segments[0], segments[1:]
    include = _INCLUDABLE.get((node.get("object", ""), name))
    if include is not None and node.get(name) is None:
        value: Any = include(ctx, node)
    elif name not in node:
        raise _not_expandable(path)
    else:
        value = _looked_up(ctx, node[name], path, leaf=not rest)
    return {**node, name: _expanded(ctx, value, rest, path)}


def _looked_up(ctx: Context, value: Any, path: str, *, leaf: bool) -> Any:
    if isinstance(value, str):
        found = ctx.store.find(value)
        if found is None:
            raise _not_expandable(path)
        return rendered(ctx, found)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return [_looked_up(ctx, item, path, leaf=leaf) for item in value]
    if leaf and isinstance(value, bool | int):
        raise _not_expandable(path)
    return value


def _not_expandable(path: str) -> Exception:
    return invalid(f"This property cannot be expanded ({path}).", param="expand")


def _invoice_lines(ctx: Context, invoice: Object) -> Object:
    lines = list(ctx.store.oldest_first("line_item", lookup=invoice["id"]))
    embedded = list_object(
        lines[:EMBEDDED_LINES],
        url=f"/v1/invoices/{invoice['id']}/lines",
        has_more=len(lines) > EMBEDDED_LINES,
    )
    return {"lines": {**embedded, "total_count": len(lines)}}


def _credit_note_lines(ctx: Context, note: Object) -> Object:
    lines = list(ctx.store.oldest_first("credit_note_line_item", lookup=note["id"]))
    return {"lines": list_object(lines, url=f"/v1/credit_notes/{note['id']}/lines")}


def _subscription_items(ctx: Context, subscription: Object) -> Object:
    items = []
    for item in ctx.store.oldest_first("subscription_item", lookup=subscription["id"]):
        price = ctx.store.find(item["price"], "price")
        items.append({**item, "price": price, "plan": None})
    url = f"/v1/subscription_items?subscription={subscription['id']}"
    return {"items": {**list_object(items, url=url), "total_count": len(items)}}


def _payments(ctx: Context, invoice: Object) -> Object:
    found = list(ctx.store.newest_first("invoice_payment", lookup=invoice["id"]))
    return list_object(found, url=f"/v1/invoice_payments?invoice={invoice['id']}")


def _refunds(ctx: Context, charge: Object) -> Object:
    found = list(ctx.store.newest_first("refund", lookup=charge["id"]))
    return list_object(found, url=f"/v1/charges/{charge['id']}/refunds")


def _subscriptions(ctx: Context, customer: Object) -> Object:
    found = [
        rendered(ctx, subscription)
        for subscription in ctx.store.newest_first("subscription", customer=customer["id"])
        if subscription["status"] != "canceled"
    ]
    return list_object(found, url=f"/v1/customers/{customer['id']}/subscriptions")


def _tax_ids(ctx: Context, customer: Object) -> Object:
    found = list(ctx.store.newest_first("tax_id", customer=customer["id"]))
    return list_object(found, url=f"/v1/customers/{customer['id']}/tax_ids")


def _sources(ctx: Context, customer: Object) -> Object:
    return list_object([], url=f"/v1/customers/{customer['id']}/sources")


_Embed = Callable[[Context, Object], Object]

_EMBEDDED: dict[str, _Embed] = {
    "invoice": _invoice_lines,
    "credit_note": _credit_note_lines,
    "subscription": _subscription_items,
}

# Properties that are sent only when expanded.
_INCLUDABLE: dict[tuple[str, str], _Embed] = {
    ("invoice", "payments"): _payments,
    ("invoice", "confirmation_secret"): lambda ctx, invoice: {
        "client_secret": f"{invoice['id']}_secret_sandbox",
        "type": "payment_intent",
    },
    ("charge", "refunds"): _refunds,
    ("customer", "subscriptions"): _subscriptions,
    ("customer", "tax_ids"): _tax_ids,
    ("customer", "sources"): _sources,
}
