"""Invoices: create, read, change and delete."""

from copy import deepcopy
from typing import Any

from dev.stripe_sandbox.context import Context
from dev.stripe_sandbox.errors import invalid, refuse_unsupported
from dev.stripe_sandbox.events import emit, save_and_emit
from dev.stripe_sandbox.lists import equals, page
from dev.stripe_sandbox.metadata import merged
from dev.stripe_sandbox.money import check_currency
from dev.stripe_sandbox.resources.accounts import ACCOUNT_NAME, COUNTRY, DEFAULT_CURRENCY
from dev.stripe_sandbox.resources.fields import assign
from dev.stripe_sandbox.resources.invoice_items import put_on
from dev.stripe_sandbox.resources.invoice_totals import recompute
from dev.stripe_sandbox.resources.payment_methods import belonging_to
from dev.stripe_sandbox.router import route
from dev.stripe_sandbox.search import search_result
from dev.stripe_sandbox.store import Object

HOUR, DAY = 3600, 86_400
_LONGEST_NUMBER = 26

_PLAIN = "description footer statement_descriptor number effective_at custom_fields".split()
_NOT_MODELLED = (
    "discounts default_tax_rates automatic_tax shipping_cost transfer_data "
    "application_fee_amount on_behalf_of default_source"
).split()
# What may still change once an invoice is finalized.
_AFTER_DRAFT = {"auto_advance", "default_payment_method", "metadata", "payment_settings"}
_AFTER_DRAFT |= {"default_source", "automatically_finalizes_at"}


@route("POST", "/v1/invoices", "InvoiceCreateParams")
def create(ctx: Context, params: dict[str, Any]) -> Object:
    if "from_invoice" in params:
        raise invalid("The sandbox does not revise invoices.", param="from_invoice")
    if not params.get("customer"):
        raise invalid(
            "Missing required param: customer.", param="customer", code="parameter_missing"
        )
    customer = ctx.get("customer", params["customer"], param="customer")
    invoice = new_invoice(ctx, customer, params, billing_reason="manual")
    if params.get("subscription"):
        subscription = ctx.get("subscription", params["subscription"], param="subscription")
        invoice["parent"] = subscription_parent(subscription)
    ctx.store.insert(invoice)
    if params.get("pending_invoice_items_behavior") == "include":
        _take_pending(ctx, invoice)
    recompute(ctx, invoice, tell=False)
    emit(ctx, "invoice.created", invoice)
    return invoice


@route("GET", "/v1/invoices/search", "InvoiceSearchParams")
def search(ctx: Context, params: dict[str, Any]) -> Object:
    return search_result(ctx, "invoice", params, url="/v1/invoices/search")


@route("GET", "/v1/invoices/{id}", "InvoiceRetrieveParams")
def retrieve(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    return ctx.get("invoice", identifier)


@route("GET", "/v1/invoices", "InvoiceListParams")
def listed(ctx: Context, params: dict[str, Any]) -> Object:
    keep = equals(params, "status", "collection_method")
    due, wanted = params.get("due_date"), params.get("subscription")
    return page(
        ctx,
        "invoice",
        params,
        url="/v1/invoices",
        customer=params.get("customer"),
        keep=lambda invoice: (
            keep(invoice)
            and _within(invoice["due_date"], due)
            and (wanted is None or subscription_of(invoice) == wanted)
        ),
    )


@route("POST", "/v1/invoices/{id}", "InvoiceUpdateParams")
def update(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    invoice = ctx.get("invoice", identifier)
    if invoice["status"] != "draft" and not params.keys() <= _AFTER_DRAFT:
        name = min(params.keys() - _AFTER_DRAFT)
        raise invalid(
            f"Finalized invoices can't be updated in this way ({name}).",
            param=name,
            code="invoice_not_editable",
        )
    before = deepcopy(invoice)
    _assign(ctx, invoice, params)
    return save_and_emit(ctx, "invoice.updated", invoice, before)


@route("DELETE", "/v1/invoices/{id}", "InvoiceDeleteParams")
def delete(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    invoice = ctx.get("invoice", identifier)
    if invoice["status"] != "draft" or invoice["parent"]:
        raise invalid(
            "You can only delete draft invoices that are not for a subscription. To remove other "
            "invoices, void them.",
            code="invoice_not_editable",
        )
    for line in list(ctx.store.oldest_first("line_item", lookup=identifier)):
        ctx.store.remove(line["id"])
    for item in list(ctx.store.oldest_first("invoiceitem", lookup=identifier)):
        ctx.store.remove(item["id"])
    _free_number(ctx, invoice)
    ctx.store.remove(identifier)
    emit(ctx, "invoice.deleted", invoice)
    return {"id": identifier, "object": "invoice", "deleted": True}


def new_invoice(
    ctx: Context, customer: Object, params: dict[str, Any], *, billing_reason: str
) -> Object:
    """A draft, not yet stored."""
    currency = params.get("currency") or customer["currency"] or DEFAULT_CURRENCY
    invoice = ctx.new(
        "Invoice",
        "in",
        account_country=COUNTRY,
        account_name=ACCOUNT_NAME,
        amount_paid_off_stripe=0,
        auto_advance=params.get("auto_advance", False),
        billing_reason=billing_reason,
        collection_method=params.get("collection_method", "charge_automatically"),
        currency=check_currency(currency),
        customer=customer["id"],
        customer_tax_exempt=customer["tax_exempt"],
        issuer={"type": "self"},
        metadata={},
        period_start=ctx.now,
        period_end=ctx.now,
        total_discount_amounts=[],
        total_pretax_credit_amounts=[],
        total_taxes=[],
        status="draft",
    )
    del invoice["lines"]
    take_customer_details(ctx, invoice, customer)
    _assign(ctx, invoice, params)
    if invoice["collection_method"] == "send_invoice" and not customer["email"]:
        raise invalid(
            "Missing email. In order to create invoices that are sent to the customer, the "
            "customer must have a valid email."
        )
    if invoice["collection_method"] == "send_invoice" and invoice["due_date"] is None:
        raise invalid(
            "If invoice 'collection_method' is 'send_invoice', either 'due_date' or "
            "'days_until_due' must be specified.",
            param="days_until_due",
        )
    return invoice


def take_customer_details(ctx: Context, invoice: Object, customer: Object) -> None:
    """Copy what an invoice shows of its customer; frozen when it is finalized."""
    invoice |= {
        "customer_address": customer["address"],
        "customer_email": customer["email"],
        "customer_name": customer["name"],
        "customer_phone": customer["phone"],
        "customer_shipping": customer["shipping"],
        "customer_tax_ids": [
            {"type": tax_id["type"], "value": tax_id["value"]}
            for tax_id in ctx.store.oldest_first("tax_id", customer=customer["id"])
        ],
    }


def subscription_parent(subscription: Object) -> Object:
    return {
        "quote_details": None,
        "subscription_details": {
            "metadata": subscription["metadata"],
            "subscription": subscription["id"],
        },
        "type": "subscription_details",
    }


def subscription_of(invoice: Object) -> str | None:
    parent = invoice["parent"]
    return parent["subscription_details"]["subscription"] if parent else None


def _reserve_number(ctx: Context, invoice: Object, number: str) -> None:
    """An account's numbers are given once; a deleted draft frees its own."""
    if len(number) > _LONGEST_NUMBER:
        raise invalid(f"Invoice numbers have at most {_LONGEST_NUMBER} characters.", param="number")
    holder = ctx.store.find(f"number_{number}")
    if holder is not None and holder["invoice"] != invoice["id"]:
        raise invalid(f"An invoice with the number {number} exists already.", param="number")
    _free_number(ctx, invoice)
    ctx.store.insert(
        {
            "id": f"number_{number}",
            "object": "invoice_number",
            "created": ctx.now,
            "invoice": invoice["id"],
        }
    )


def _free_number(ctx: Context, invoice: Object) -> None:
    if invoice["number"] and ctx.store.find(f"number_{invoice['number']}"):
        ctx.store.remove(f"number_{invoice['number']}")


def _assign(ctx: Context, invoice: Object, params: dict[str, Any]) -> None:
    refuse_unsupported(params, *_NOT_MODELLED)
    if params.get("number"):
        _reserve_number(ctx, invoice, params["number"])
    assign(invoice, params, *_PLAIN, "auto_advance", "collection_method")
    if "automatically_finalizes_at" in params:
        invoice["automatically_finalizes_at"] = params["automatically_finalizes_at"]
        invoice["auto_advance"] = True
    elif invoice["status"] == "draft" and "auto_advance" in params:
        waits = invoice["created"] + HOUR if params["auto_advance"] else None
        invoice["automatically_finalizes_at"] = waits
    if "days_until_due" in params and "due_date" in params:
        raise invalid(
            "You may only specify one of these parameters: days_until_due, due_date.",
            param="days_until_due",
        )
    if params.keys() & {"days_until_due", "due_date"}:
        if invoice["collection_method"] != "send_invoice":
            raise invalid(
                "'due_date' and 'days_until_due' are only for invoices whose 'collection_method' "
                "is 'send_invoice'.",
                param="days_until_due" if "days_until_due" in params else "due_date",
            )
        if params.get("due_date", ctx.now + 1) <= ctx.now:
            raise invalid("Due date must be in the future.", param="due_date")
        days = params.get("days_until_due", 0)
        invoice["due_date"] = params.get("due_date", invoice["created"] + days * DAY)
    if params.get("default_payment_method"):
        method = belonging_to(
            ctx,
            params["default_payment_method"],
            invoice["customer"],
            param="default_payment_method",
        )
        invoice["default_payment_method"] = method["id"]
    elif "default_payment_method" in params:
        invoice["default_payment_method"] = None
    if "metadata" in params:
        invoice["metadata"] = merged(invoice["metadata"], params["metadata"])
    if "payment_settings" in params:
        invoice["payment_settings"] |= params["payment_settings"]
    if "rendering" in params:
        invoice["rendering"] = params["rendering"]
    if "shipping_details" in params:
        invoice["shipping_details"] = params["shipping_details"] or None


def _take_pending(ctx: Context, invoice: Object) -> None:
    pending = [
        item
        for item in ctx.store.oldest_first("invoiceitem", customer=invoice["customer"])
        if item["invoice"] is None and item["currency"] == invoice["currency"]
    ]
    for item in pending:
        put_on(ctx, item, invoice)
        ctx.store.save(item)


def _within(value: int | None, wanted: Any) -> bool:
    if wanted is None:
        return True
    if value is None:
        return False
    if isinstance(wanted, int):
        return value == wanted
    checks = {"gt": value.__gt__, "gte": value.__ge__, "lt": value.__lt__, "lte": value.__le__}
    return all(checks[name](bound) for name, bound in wanted.items())
