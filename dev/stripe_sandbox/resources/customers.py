"""Customers and their tax ids."""

import re
import secrets
import string
from copy import deepcopy
from typing import Any

from dev.stripe_sandbox.context import Context
from dev.stripe_sandbox.errors import ApiError, invalid, missing
from dev.stripe_sandbox.events import emit, save_and_emit
from dev.stripe_sandbox.lists import page
from dev.stripe_sandbox.metadata import merged
from dev.stripe_sandbox.resources.fields import address, assign
from dev.stripe_sandbox.resources.payment_methods import attach, belonging_to
from dev.stripe_sandbox.resources.subscriptions import cancel_all_of
from dev.stripe_sandbox.router import route
from dev.stripe_sandbox.search import search_result
from dev.stripe_sandbox.store import Object

# Stripe checks the form at once and the number itself later.
_TAX_ID_FORMS = {
    "eu_vat": re.compile(r"[A-Z]{2}[0-9A-Z]{8,12}"),
    "gb_vat": re.compile(r"(GB|XI)\d{9}(\d{3})?"),
    "us_ein": re.compile(r"\d{2}-\d{7}"),
}
_ANY_TAX_ID = re.compile(r"\S.*")

_PLAIN = (
    "description email name phone preferred_locales business_name individual_name "
    "tax_exempt balance next_invoice_sequence invoice_prefix"
).split()


@route("POST", "/v1/customers", "CustomerCreateParams")
def create(ctx: Context, params: dict[str, Any]) -> Object:
    customer = ctx.new(
        "Customer",
        "cus",
        balance=0,
        delinquent=False,
        invoice_prefix="".join(
            secrets.choice(string.ascii_uppercase + string.digits) for _ in range(8)
        ),
        invoice_settings={
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        metadata={},
        next_invoice_sequence=1,
        preferred_locales=[],
        tax_exempt="none",
    )
    ctx.store.insert(customer)
    _assign(ctx, customer, params)
    for tax_id in params.get("tax_id_data", []):
        _add_tax_id(ctx, customer, tax_id)
    ctx.store.save(customer)
    emit(ctx, "customer.created", customer)
    return customer


@route("GET", "/v1/customers/search", "CustomerSearchParams")
def search(ctx: Context, params: dict[str, Any]) -> Object:
    return search_result(ctx, "customer", params, url="/v1/customers/search")


@route("GET", "/v1/customers/{id}", "CustomerRetrieveParams")
def retrieve(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    """A deleted customer still answers, with ``deleted: true`` and nothing else."""
    found = ctx.store.find(identifier, "customer")
    if found is None:
        raise missing("customer", identifier, status=404)
    return found


@route("POST", "/v1/customers/{id}", "CustomerUpdateParams")
def update(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    customer = ctx.get("customer", identifier)
    before = deepcopy(customer)
    _assign(ctx, customer, params)
    return save_and_emit(ctx, "customer.updated", customer, before)


@route("DELETE", "/v1/customers/{id}", "CustomerDeleteParams")
def delete(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    customer = ctx.get("customer", identifier)
    cancel_all_of(ctx, identifier)
    for method in list(ctx.store.newest_first("payment_method", customer=identifier)):
        ctx.store.save({**method, "customer": None})
    tombstone = {"id": identifier, "object": "customer", "deleted": True}
    ctx.store.mark_deleted(tombstone)
    emit(ctx, "customer.deleted", customer)
    return tombstone


@route("GET", "/v1/customers", "CustomerListParams")
def listed(ctx: Context, params: dict[str, Any]) -> Object:
    """``email`` is compared exactly, capitals included, as Stripe does."""
    return page(ctx, "customer", params, url="/v1/customers", lookup=params.get("email"))


@route("GET", "/v1/customers/{id}/payment_methods", "CustomerListPaymentMethodsParams")
def payment_methods(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    ctx.get("customer", identifier)
    url = f"/v1/customers/{identifier}/payment_methods"
    wanted = params.get("type")
    return page(
        ctx,
        "payment_method",
        params,
        url=url,
        customer=identifier,
        keep=lambda method: wanted in (None, method["type"]),
    )


@route("GET", "/v1/customers/{id}/payment_methods/{pm}", "CustomerRetrievePaymentMethodParams")
def payment_method(ctx: Context, params: dict[str, Any], customer: str, method: str) -> Object:
    ctx.get("customer", customer)
    return belonging_to(ctx, method, customer, param="id")


@route("POST", "/v1/customers/{id}/tax_ids", "CustomerCreateTaxIdParams")
def create_tax_id(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    return _add_tax_id(ctx, ctx.get("customer", identifier), params)


@route("GET", "/v1/customers/{id}/tax_ids", "CustomerListTaxIdsParams")
def tax_ids(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    ctx.get("customer", identifier)
    url = f"/v1/customers/{identifier}/tax_ids"
    return page(ctx, "tax_id", params, url=url, customer=identifier)


@route("GET", "/v1/customers/{id}/tax_ids/{tax_id}", "CustomerRetrieveTaxIdParams")
def retrieve_tax_id(ctx: Context, params: dict[str, Any], customer: str, tax_id: str) -> Object:
    return ctx.get("tax_id", tax_id)


@route("DELETE", "/v1/customers/{id}/tax_ids/{tax_id}", "CustomerDeleteTaxIdParams")
def delete_tax_id(ctx: Context, params: dict[str, Any], customer: str, tax_id: str) -> Object:
    found = ctx.get("tax_id", tax_id)
    ctx.store.remove(tax_id)
    emit(ctx, "customer.tax_id.deleted", found)
    return {"id": tax_id, "object": "tax_id", "deleted": True}


def _assign(ctx: Context, customer: Object, params: dict[str, Any]) -> None:
    if "source" in params:
        raise invalid("The sandbox has no sources; use payment methods.", param="source")
    email = params.get("email")
    if email and not ("@" in email.strip("@") and " " not in email):
        raise ApiError(400, f"Invalid email address: {email}", code="email_invalid", param="email")
    assign(customer, params, *_PLAIN)
    if "address" in params:
        customer["address"] = address(params["address"])
    if "shipping" in params:
        shipping = params["shipping"]
        customer["shipping"] = (
            {**shipping, "address": address(shipping.get("address"))} if shipping else None
        )
    if "metadata" in params:
        customer["metadata"] = merged(customer["metadata"], params["metadata"])
    token = params.get("payment_method")
    attached = attach(ctx, token, customer["id"]) if token else None
    settings = params.get("invoice_settings") or {}
    if "default_payment_method" in settings:
        method = settings["default_payment_method"] or None
        if method and attached and method == token:
            method = attached["id"]
        elif method:
            where = "invoice_settings[default_payment_method]"
            method = belonging_to(ctx, method, customer["id"], param=where)["id"]
        settings = {**settings, "default_payment_method": method}
    customer["invoice_settings"] = {**customer["invoice_settings"], **settings}


def _add_tax_id(ctx: Context, customer: Object, given: dict[str, Any]) -> Object:
    if not _TAX_ID_FORMS.get(given["type"], _ANY_TAX_ID).fullmatch(given["value"]):
        raise invalid(f"Invalid value for {given['type']}.", param="value", code="tax_id_invalid")
    tax_id = ctx.new(
        "TaxId",
        "txi",
        country=given["value"][:2].upper() if given["value"][:2].isalpha() else None,
        customer=customer["id"],
        owner={"type": "customer", "customer": customer["id"]},
        type=given["type"],
        value=given["value"],
        verification={"status": "pending", "verified_address": None, "verified_name": None},
    )
    ctx.store.insert(tax_id)
    emit(ctx, "customer.tax_id.created", tax_id)
    return tax_id
