"""Invoice items: what an invoice's lines are made from."""

from copy import deepcopy
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from dev.stripe_sandbox.context import Context
from dev.stripe_sandbox.errors import invalid, refuse_unsupported
from dev.stripe_sandbox.events import emit
from dev.stripe_sandbox.lists import equals, page
from dev.stripe_sandbox.metadata import merged
from dev.stripe_sandbox.money import check_amount, check_currency
from dev.stripe_sandbox.resources.fields import assign
from dev.stripe_sandbox.resources.invoice_totals import recompute
from dev.stripe_sandbox.resources.prices import price_from
from dev.stripe_sandbox.router import route
from dev.stripe_sandbox.store import Object

MAX_ITEMS = 250
_NOT_MODELLED = "discounts tax_rates tax_code tax_behavior tax_amounts subscription".split()


@route("POST", "/v1/invoiceitems", "InvoiceItemCreateParams")
def create(ctx: Context, params: dict[str, Any]) -> Object:
    if "customer" not in params and "invoice" not in params:
        raise invalid(
            "Missing required param: customer.", param="customer", code="parameter_missing"
        )
    invoice = None
    if params.get("invoice"):
        invoice = ctx.get("invoice", params["invoice"], param="invoice")
        if params.get("customer", invoice["customer"]) != invoice["customer"]:
            raise invalid(
                f"The customer {params['customer']} does not match the invoice's customer "
                f"{invoice['customer']}.",
                param="customer",
            )
    customer = ctx.get(
        "customer", invoice["customer"] if invoice else params["customer"], param="customer"
    )
    item = add_item(ctx, customer["id"], invoice, params)
    if invoice is not None:
        recompute(ctx, invoice)
    return item


@route("GET", "/v1/invoiceitems/{id}", "InvoiceItemRetrieveParams")
def retrieve(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    return ctx.get("invoiceitem", identifier)


@route("POST", "/v1/invoiceitems/{id}", "InvoiceItemUpdateParams")
def update(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    item = ctx.get("invoiceitem", identifier)
    return update_item(ctx, item, params)


@route("DELETE", "/v1/invoiceitems/{id}", "InvoiceItemDeleteParams")
def delete(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    item = ctx.get("invoiceitem", identifier)
    remove_item(ctx, item)
    return {"id": identifier, "object": "invoiceitem", "deleted": True}


@route("GET", "/v1/invoiceitems", "InvoiceItemListParams")
def listed(ctx: Context, params: dict[str, Any]) -> Object:
    pending = params.get("pending")
    return page(
        ctx,
        "invoiceitem",
        params,
        url="/v1/invoiceitems",
        customer=params.get("customer"),
        lookup=params.get("invoice"),
        keep=lambda item: (
            equals(params, "customer", "invoice")(item)
            and (pending is None or pending is (item["invoice"] is None))
        ),
    )


def add_item(ctx: Context, customer: str, invoice: Object | None, given: dict[str, Any]) -> Object:
    """A new item, and its line where it has an invoice; the totals are the caller's to bring up."""
    refuse_unsupported(given, *_NOT_MODELLED)
    pricing = _priced(ctx, given, invoice["currency"] if invoice else None)
    period = given.get("period") or {"start": ctx.now, "end": ctx.now}
    if period["end"] < period["start"]:
        raise invalid("The period's end must not be before its start.", param="period")
    item = ctx.new(
        "InvoiceItem",
        "ii",
        amount=pricing["amount"],
        currency=pricing["currency"],
        customer=customer,
        date=ctx.now,
        description=given.get("description") or pricing["description"],
        discountable=given.get("discountable", pricing["amount"] >= 0),
        discounts=[],
        metadata=merged({}, given.get("metadata")),
        net_amount=pricing["amount"],
        period=period,
        pricing={
            "price_details": pricing["price_details"],
            "type": "price_details",
            "unit_amount_decimal": pricing["unit_amount_decimal"],
        },
        quantity=pricing["quantity"],
        quantity_decimal=pricing["quantity_decimal"],
        tax_rates=[],
    )
    if invoice is not None:
        put_on(ctx, item, invoice)
    ctx.store.insert(item)
    emit(ctx, "invoiceitem.created", item)
    return item


def put_on(ctx: Context, item: Object, invoice: Object) -> None:
    """Make the item a line of a draft; saving the item is the caller's."""
    if invoice["status"] != "draft":
        raise invalid(
            "This invoice is no longer editable. You can only add invoice items to draft invoices.",
            param="invoice",
            code="invoice_not_editable",
        )
    if item["currency"] != invoice["currency"]:
        raise invalid(
            f"The currency of the invoice item ({item['currency']}) must match the currency of "
            f"the invoice ({invoice['currency']}).",
            param="currency",
        )
    if ctx.store.count("line_item", lookup=invoice["id"]) >= MAX_ITEMS:
        raise invalid(
            f"This invoice has the maximum number of line items ({MAX_ITEMS}).", param="invoice"
        )
    item["invoice"] = invoice["id"]
    line = ctx.new("InvoiceLineItem", "il")
    ctx.store.insert(_as_line(line, item))


def update_item(ctx: Context, item: Object, params: dict[str, Any]) -> Object:
    invoice = ctx.store.find(item["invoice"]) if item["invoice"] else None
    if invoice is not None and invoice["status"] != "draft":
        raise invalid(
            "This invoice item is attached to an invoice that is no longer editable.",
            code="invoice_not_editable",
        )
    refuse_unsupported(params, *_NOT_MODELLED)
    before = deepcopy(item)
    priced = {"amount", "unit_amount_decimal", "price_data", "pricing", "quantity"}
    priced.add("quantity_decimal")
    changed = {name: params[name] for name in priced if name in params}
    if changed:
        if not changed.keys() - {"quantity", "quantity_decimal"}:
            changed["unit_amount_decimal"] = item["pricing"]["unit_amount_decimal"]
        pricing = _priced(ctx, {"currency": item["currency"], **changed}, item["currency"])
        item |= {key: pricing[key] for key in ("amount", "quantity", "quantity_decimal")}
        item["net_amount"] = pricing["amount"]
        item["pricing"]["unit_amount_decimal"] = pricing["unit_amount_decimal"]
        item["pricing"]["price_details"] = pricing["price_details"]
    assign(item, params, "description", "discountable", "period")
    if "metadata" in params:
        item["metadata"] = merged(item["metadata"], params["metadata"])
    if item != before:
        ctx.store.save(item)
    if invoice is not None:
        line = line_of(ctx, item)
        if line is not None:
            ctx.store.save(_as_line(line, item))
        recompute(ctx, invoice)
    return item


def remove_item(ctx: Context, item: Object) -> None:
    invoice = ctx.store.find(item["invoice"]) if item["invoice"] else None
    if invoice is not None and invoice["status"] != "draft":
        raise invalid(
            "You cannot delete an invoice item that is attached to an invoice that is no longer "
            "editable.",
            code="invoice_not_editable",
        )
    line = line_of(ctx, item)
    if line is not None:
        ctx.store.remove(line["id"])
    ctx.store.remove(item["id"])
    emit(ctx, "invoiceitem.deleted", item)
    if invoice is not None:
        recompute(ctx, invoice)


def line_of(ctx: Context, item: Object) -> Object | None:
    for line in list(ctx.store.oldest_first("line_item", lookup=item["invoice"])):
        details = line["parent"]["invoice_item_details"]
        if details and details["invoice_item"] == item["id"]:
            return line
    return None


def _as_line(line: Object, item: Object) -> Object:
    copied = (
        "amount currency description discountable invoice livemode metadata period pricing "
        "quantity quantity_decimal"
    ).split()
    line |= {name: item[name] for name in copied}
    line |= {"discount_amounts": [], "pretax_credit_amounts": [], "taxes": []}
    line["subtotal"] = item["amount"]
    line["parent"] = {
        "invoice_item_details": {
            "invoice_item": item["id"],
            "proration": item["proration"],
            "proration_details": {"credited_items": None},
            "subscription": None,
        },
        "subscription_item_details": None,
        "type": "invoice_item_details",
    }
    return line


def _priced(ctx: Context, given: dict[str, Any], invoice_currency: str | None) -> dict[str, Any]:
    """Amount (minor units), currency, quantity and unit of an item, from the one way given."""
    ways = [
        way for way in ("amount", "unit_amount_decimal", "price_data", "pricing") if way in given
    ]
    if len(ways) != 1:
        raise invalid(
            "You must specify exactly one of `amount`, `unit_amount_decimal`, `price_data` or "
            "`pricing`.",
            param=ways[1] if ways else "amount",
        )
    quantity = Decimal(given.get("quantity_decimal", given.get("quantity", 1)))
    price = price_from(ctx, given) if ways[0] in ("price_data", "pricing") else None
    if ways[0] == "amount":
        if "quantity_decimal" in given or given.get("quantity", 1) != 1:
            raise invalid(
                "You may not specify `quantity` together with `amount`.", param="quantity"
            )
        unit = Decimal(given["amount"])
    else:
        unit = Decimal(price["unit_amount_decimal"] if price else given["unit_amount_decimal"])
    currency = price["currency"] if price else given.get("currency") or invoice_currency
    amount = (unit * quantity).quantize(Decimal(1), rounding=ROUND_HALF_UP)
    if currency is None:
        raise invalid(
            "Missing required param: currency.", param="currency", code="parameter_missing"
        )
    return {
        "amount": check_amount(int(amount), check_currency(currency)),
        "currency": check_currency(currency),
        "description": ctx.store.find(price["product"])["name"] if price else None,  # type: ignore[index]
        "quantity": int(quantity),
        "quantity_decimal": format(quantity.normalize(), "f"),
        "price_details": {"price": price["id"], "product": price["product"]} if price else None,
        "unit_amount_decimal": format(unit, "f"),
    }
