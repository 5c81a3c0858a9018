"""The OpenAPI document: complete, valid, and about every endpoint."""

import re
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from tests.kit.contract import DOCUMENT, OPERATIONS


def test_the_document_is_valid_and_made_without_a_warning(tmp_path):
    call_command(
        "spectacular", "--validate", "--fail-on-warn", "--file", str(tmp_path / "schema.yaml")
    )


def test_the_document_is_served_to_anyone(client: Client):
    response = client.get("/api/schema/")

    assert response.json() == DOCUMENT
    assert response.json()["openapi"].startswith("3.")


def test_every_endpoint_is_in_the_document():
    def routes(patterns: list[Any], prefix: str = "/"):
        for pattern in patterns:
            if isinstance(pattern, URLResolver):
                yield from routes(pattern.url_patterns, prefix + str(pattern.pattern))
            elif isinstance(pattern, URLPattern):
                yield prefix + str(pattern.pattern)

    served = {
        route.replace("<uuid:", "{").replace("<int:", "{").replace(">", "}")
        for route in routes(get_resolver().url_patterns)
        if route.startswith("/api/v1/")
    }

    assert served == set(DOCUMENT["paths"])


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_every_operation_says_who_may_and_how_it_fails(path: str, method: str):
    operation = DOCUMENT["paths"][path][method]

    assert {"serviceKey": []} in operation["security"]
    assert ({"session": []} in operation["security"]) is (method == "get")
    for status in ("400", "401", "403", "429"):
        assert "application/problem+json" in operation["responses"][status]["content"]
    assert "required_scopes" not in operation["description"]
    assert any(status.startswith("2") for status in operation["responses"])


def test_a_registration_may_be_of_the_one_stop_shop_and_a_rate_may_not():
    schemas = DOCUMENT["components"]["schemas"]
    registered = schemas["NewRegistrationRequest"]["properties"]["country"]["pattern"]
    rated = schemas["NewRateRequest"]["properties"]["country"]["pattern"]
    assert [bool(re.search(registered, code)) for code in ("EU", "DE", "XX")] == [True, True, False]
    assert [bool(re.search(rated, code)) for code in ("EU", "DE", "XX")] == [False, True, False]


def test_the_page_needs_nothing_from_elsewhere_and_no_inline_code(client: Client):
    page = client.get("/api/docs/")
    script = client.get("/api/docs/?script=")

    text = page.content.decode()
    assert page.status_code == script.status_code == 200
    assert "script-src 'self'" in page["Content-Security-Policy"]
    assert "<style" not in text
    assert "http://" not in text
    assert "https://" not in text
    assert script["Content-Type"] == "application/javascript"
    assert "/api/schema/" in script.content.decode()
