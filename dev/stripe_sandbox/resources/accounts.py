"""The account that the request's key is of."""

from typing import Any

from dev.stripe_sandbox.context import Context
from dev.stripe_sandbox.errors import ApiError
from dev.stripe_sandbox.router import route
from dev.stripe_sandbox.shapes import blank
from dev.stripe_sandbox.store import Object

ACCOUNT_ID = "acct_1Sandbox00000000"
ACCOUNT_NAME = "Sandbox"
COUNTRY = "US"
DEFAULT_CURRENCY = "usd"


@route("GET", "/v1/account", "AccountRetrieveCurrentParams")
def retrieve_current(ctx: Context, params: dict[str, Any]) -> Object:
    return account(ctx)


@route("GET", "/v1/accounts/{id}", "AccountRetrieveParams")
def retrieve(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    if identifier != _id(ctx):
        raise ApiError(
            403,
            f"The provided key does not have access to account '{identifier}' (or that account "
            "does not exist).",
            code="account_invalid",
        )
    return account(ctx)


def _id(ctx: Context) -> str:
    return f"{ACCOUNT_ID}{ctx.store.account}"


def account(ctx: Context) -> Object:
    return blank("Account") | {
        "id": _id(ctx),
        "business_profile": {"name": ACCOUNT_NAME, "url": None, "support_email": None},
        "business_type": "company",
        "capabilities": {"card_payments": "active", "transfers": "active"},
        "charges_enabled": True,
        "country": COUNTRY,
        "created": 1_600_000_000,
        "default_currency": DEFAULT_CURRENCY,
        "details_submitted": True,
        "email": "sandbox@example.com",
        "metadata": {},
        "payouts_enabled": True,
        "settings": {
            "branding": {"icon": None, "logo": None, "primary_color": None},
            "dashboard": {"display_name": ACCOUNT_NAME, "timezone": "Etc/UTC"},
        },
        "type": "standard",
    }
