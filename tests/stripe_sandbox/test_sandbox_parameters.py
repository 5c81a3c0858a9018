"""Parameters are checked against the SDK's own classes, as Stripe checks them."""

import json
import urllib.error
import urllib.request
from typing import Any

import pytest
import stripe

from dev.stripe_sandbox.testing import SandboxProcess


def post(sandbox: SandboxProcess, path: str, encoded: str) -> tuple[int, dict[str, Any]]:
    request = urllib.request.Request(
        f"{sandbox.url}{path}",
        data=encoded.encode(),
        headers={"Authorization": f"Bearer {sandbox.key}"},
    )
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)["error"]


@pytest.mark.parametrize(
    ("encoded", "code", "param", "message"),
    [
        ("colour=red", "parameter_unknown", "colour", "Received unknown parameter: colour"),
        (
            "automatic_tax[colour]=red&automatic_tax[enabled]=false",
            "parameter_unknown",
            "automatic_tax[colour]",
            "Received unknown parameter: automatic_tax[colour]",
        ),
        (
            "days_until_due=1.5",
            "parameter_invalid_integer",
            "days_until_due",
            "Invalid integer: 1.5",
        ),
        ("auto_advance=yes", None, "auto_advance", "Invalid boolean: yes"),
        ("metadata=workspace", None, "metadata", "Invalid object"),
        ("custom_fields=red", None, "custom_fields", "Invalid array"),
        (
            "collection_method=by_post",
            None,
            "collection_method",
            "Invalid collection_method: must be one of charge_automatically, send_invoice",
        ),
        (
            "automatic_tax[liability][type]=self",
            "parameter_missing",
            "automatic_tax[enabled]",
            "Missing required param: automatic_tax[enabled].",
        ),
    ],
)
def test_an_ill_typed_or_unknown_parameter_is_400(
    sandbox: SandboxProcess, encoded: str, code: str | None, param: str, message: str
) -> None:
    status, error = post(sandbox, "/v1/invoices", f"customer=cus_x&{encoded}")
    assert status == 400
    assert error["type"] == "invalid_request_error"
    assert (error.get("code"), error["param"], error["message"]) == (code, param, message)


def test_an_empty_value_does_not_unset_what_cannot_be_unset(sandbox: SandboxProcess) -> None:
    status, error = post(sandbox, "/v1/invoices", "customer=cus_x&days_until_due=")
    assert (status, error["code"]) == (400, "parameter_invalid_empty")


def test_what_the_sandbox_does_not_model_is_refused_rather_than_ignored(
    client: stripe.StripeClient, acme: stripe.Customer
) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="does not support 'discounts'"):
        client.v1.invoices.create({"customer": acme.id, "discounts": [{"coupon": "ten"}]})
    with pytest.raises(stripe.InvalidRequestError, match="does not support 'tax'"):
        client.v1.customers.update(acme.id, {"name": "A", "tax": {"ip_address": "192.0.2.1"}})
    assert client.v1.customers.retrieve(acme.id).name == "Acme"


def test_an_endpoint_stripe_does_not_have_is_404(sandbox: SandboxProcess) -> None:
    status, error = post(sandbox, "/v1/workspaces", "")
    assert status == 404
    assert error["message"].startswith("Unrecognized request URL (POST: /v1/workspaces)")
