"""Products and prices, as far as subscriptions and invoice items need them."""

from copy import deepcopy
from decimal import Decimal
from typing import Any

from dev.stripe_sandbox.context import Context
from dev.stripe_sandbox.errors import invalid, refuse_unsupported
from dev.stripe_sandbox.events import emit, save_and_emit
from dev.stripe_sandbox.lists import equals, list_object, page
from dev.stripe_sandbox.metadata import merged
from dev.stripe_sandbox.money import check_currency
from dev.stripe_sandbox.resources.fields import assign
from dev.stripe_sandbox.router import route
from dev.stripe_sandbox.store import Object


@route("POST", "/v1/products", "ProductCreateParams")
def create_product(ctx: Context, params: dict[str, Any]) -> Object:
    refuse_unsupported(params, "default_price_data")
    product = ctx.new(
        "Product",
        "prod",
        active=params.get("active", True),
        name=params["name"],
        type=params.get("type", "service"),
        updated=ctx.now,
        metadata=merged({}, params.get("metadata")),
    )
    if "id" in params:
        if ctx.store.find(params["id"]):
            raise invalid("Product already exists.", param="id", code="resource_already_exists")
        product["id"] = params["id"]
    assign(product, params, "description", "images", "statement_descriptor", "unit_label", "url")
    ctx.store.insert(product)
    emit(ctx, "product.created", product)
    return product


@route("GET", "/v1/products", "ProductListParams")
def list_products(ctx: Context, params: dict[str, Any]) -> Object:
    keep = equals(params, "active", "url")
    wanted = params.get("ids")
    return page(
        ctx,
        "product",
        params,
        url="/v1/products",
        keep=lambda product: keep(product) and (wanted is None or product["id"] in wanted),
    )


@route("GET", "/v1/products/{id}", "ProductRetrieveParams")
def retrieve_product(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    return ctx.get("product", identifier)


@route("POST", "/v1/products/{id}", "ProductUpdateParams")
def update_product(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    product = ctx.get("product", identifier)
    before = deepcopy(product)
    assign(product, params, "active", "description", "name", "default_price", "unit_label", "url")
    if "metadata" in params:
        product["metadata"] = merged(product["metadata"], params["metadata"])
    return save_and_emit(ctx, "product.updated", product, before)


@route("GET", "/v1/products/{id}/features", "ProductListFeaturesParams")
def product_features(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    ctx.get("product", identifier)
    return list_object([], url=f"/v1/products/{identifier}/features")


@route("POST", "/v1/prices", "PriceCreateParams")
def create_price(ctx: Context, params: dict[str, Any]) -> Object:
    return _new_price(ctx, params)


@route("GET", "/v1/prices", "PriceListParams")
def list_prices(ctx: Context, params: dict[str, Any]) -> Object:
    wanted = params.get("lookup_keys")
    keep = equals(params, "active", "currency", "type")
    return page(
        ctx,
        "price",
        params,
        url="/v1/prices",
        lookup=params.get("product"),
        keep=lambda price: keep(price) and (wanted is None or price["lookup_key"] in wanted),
    )


@route("GET", "/v1/prices/{id}", "PriceRetrieveParams")
def retrieve_price(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    return ctx.get("price", identifier)


@route("POST", "/v1/prices/{id}", "PriceUpdateParams")
def update_price(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    price = ctx.get("price", identifier)
    before = deepcopy(price)
    assign(price, params, "active", "nickname", "lookup_key")
    if "metadata" in params:
        price["metadata"] = merged(price["metadata"], params["metadata"])
    return save_and_emit(ctx, "price.updated", price, before)


def price_from(ctx: Context, given: dict[str, Any]) -> Object:
    """The price an item refers to (``price``, ``pricing[price]``) or describes (``price_data``)."""
    identifier = given.get("price") or (given.get("pricing") or {}).get("price")
    if identifier:
        return ctx.get("price", identifier, param="price")
    if "price_data" not in given:
        raise invalid("Missing required param: price.", param="price", code="parameter_missing")
    return _new_price(ctx, given["price_data"])


def _new_price(ctx: Context, given: dict[str, Any]) -> Object:
    refuse_unsupported(given, "tiers", "custom_unit_amount", "transform_quantity")
    unit = given.get("unit_amount_decimal", given.get("unit_amount"))
    if unit is None:
        raise invalid("Missing required param: unit_amount.", param="unit_amount")
    if given.get("product"):
        product = ctx.get("product", given["product"], param="product")
    elif given.get("product_data"):
        product = create_product(ctx, given["product_data"])
    else:
        raise invalid("Missing required param: product.", param="product")
    recurring = given.get("recurring")
    whole = Decimal(unit) == int(Decimal(unit))
    price = ctx.new(
        "Price",
        "price",
        active=given.get("active", True),
        currency=check_currency(given["currency"]),
        lookup_key=given.get("lookup_key"),
        metadata=merged({}, given.get("metadata")),
        nickname=given.get("nickname"),
        product=product["id"],
        recurring=recurring
        and {
            "interval": recurring["interval"],
            "interval_count": recurring.get("interval_count", 1),
            "meter": None,
            "trial_period_days": None,
            "usage_type": recurring.get("usage_type", "licensed"),
        },
        tax_behavior=given.get("tax_behavior", "unspecified"),
        type="recurring" if recurring else "one_time",
        unit_amount=int(Decimal(unit)) if whole else None,
        unit_amount_decimal=format(Decimal(unit), "f"),
    )
    ctx.store.insert(price)
    emit(ctx, "price.created", price)
    return price
