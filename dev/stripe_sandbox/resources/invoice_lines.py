"""The lines of an invoice: list, add, change and remove them."""

from typing import Any

from dev.stripe_sandbox.context import Context
from dev.stripe_sandbox.errors import invalid
from dev.stripe_sandbox.lists import page
from dev.stripe_sandbox.metadata import merged
from dev.stripe_sandbox.resources.invoice_items import add_item, put_on, remove_item, update_item
from dev.stripe_sandbox.resources.invoice_totals import recompute
from dev.stripe_sandbox.router import route
from dev.stripe_sandbox.store import Object


@route("GET", "/v1/invoices/{id}/lines", "InvoiceListLinesParams")
def listed(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    """Oldest first, in the order they were added."""
    ctx.get("invoice", identifier)
    url = f"/v1/invoices/{identifier}/lines"
    return page(ctx, "line_item", params, url=url, lookup=identifier, oldest_first=True)


@route("POST", "/v1/invoices/{id}/add_lines", "InvoiceAddLinesParams")
def add(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    invoice = _draft(ctx, identifier)
    _set_metadata(ctx, invoice, params)
    for line in params["lines"]:
        if line.get("invoice_item"):
            item = ctx.get("invoiceitem", line["invoice_item"], param="invoice_item")
            if item["invoice"] is not None or item["customer"] != invoice["customer"]:
                raise invalid(
                    f"The invoice item {item['id']} is not pending for this customer.",
                    param="invoice_item",
                )
            put_on(ctx, item, invoice)
            ctx.store.save(item)
        else:
            add_item(ctx, invoice["customer"], invoice, line)
    return recompute(ctx, invoice)


@route("POST", "/v1/invoices/{id}/remove_lines", "InvoiceRemoveLinesParams")
def remove(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    invoice = _draft(ctx, identifier)
    _set_metadata(ctx, invoice, params)
    for line in params["lines"]:
        item = _item_of(ctx, identifier, line["id"])
        if line["behavior"] == "delete":
            remove_item(ctx, item)
        else:
            ctx.store.remove(line["id"])
            ctx.store.save({**item, "invoice": None})
    return recompute(ctx, ctx.get("invoice", identifier))


@route("POST", "/v1/invoices/{id}/update_lines", "InvoiceUpdateLinesParams")
def update_all(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    invoice = _draft(ctx, identifier)
    _set_metadata(ctx, invoice, params)
    for line in params["lines"]:
        changes = {name: value for name, value in line.items() if name != "id"}
        update_item(ctx, _item_of(ctx, identifier, line["id"]), changes)
    return ctx.get("invoice", identifier)


@route("POST", "/v1/invoices/{id}/lines/{line}", "InvoiceLineItemUpdateParams")
def update_one(ctx: Context, params: dict[str, Any], identifier: str, line: str) -> Object:
    _draft(ctx, identifier)
    update_item(ctx, _item_of(ctx, identifier, line), params)
    return ctx.get("line_item", line)


def _draft(ctx: Context, identifier: str) -> Object:
    invoice = ctx.get("invoice", identifier)
    if invoice["status"] != "draft":
        raise invalid(
            "This invoice is no longer editable: only drafts can be changed.",
            code="invoice_not_editable",
        )
    return invoice


def _item_of(ctx: Context, invoice: str, line_id: str) -> Object:
    line = ctx.get("line_item", line_id, param="lines")
    if line["invoice"] != invoice:
        raise invalid(f"The line {line_id} is not on this invoice.", param="lines")
    return ctx.get("invoiceitem", line["parent"]["invoice_item_details"]["invoice_item"])


def _set_metadata(ctx: Context, invoice: Object, params: dict[str, Any]) -> None:
    if "invoice_metadata" in params:
        invoice["metadata"] = merged(invoice["metadata"], params["invoice_metadata"])
        ctx.store.save(invoice)
