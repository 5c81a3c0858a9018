"""The OpenAPI document: complete, valid, and kept by every endpoint whatever is sent."""

import datetime as dt
import json
from decimal import Decimal
from typing import Any

import pytest
import schemathesis
from django.core.management import call_command
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, transaction
from django.test import Client, RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone as clock
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from billing.api.schema import schema as schema_view
from billing.services import coupons, terms
from config.wsgi import application
from invoices.services import manual_items
from tests.kit import costs, prices
from tests.kit.api import ApiClient
from tests.kit.invoices import issue_invoice
from tests.kit.personas import make_agent, make_period, make_workspace
from tests.kit.usage import make_call, make_usage

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
OCTOBER_5 = dt.datetime(2026, 10, 5, 12, tzinfo=dt.UTC)


def document() -> dict[str, Any]:
    body: dict[str, Any] = json.loads(schema_view(RequestFactory().get("/")).content)
    return body


DOCUMENT = document()
OPERATIONS = [(path, method) for path, item in DOCUMENT["paths"].items() for method in item]


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


@pytest.fixture
def _one_connection():
    """Requests end without closing the connection that the test's transaction is open on."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def ids() -> dict[str, str | int]:
    """What exists: Acme with usage, a call, an agent, a closed and a running month, a rate
    card and a price of its own."""
    # Its days are those of the clock below, at whatever hour this runs.
    acme = make_workspace("Acme", timezone="UTC")
    make_usage(acme, OCTOBER_5, "1028", "0.01")
    call = make_call(acme, OCTOBER_5)
    invoice = issue_invoice(make_period(acme, OCTOBER_5))
    today = clock.now()
    voice = prices.published(now=today)
    prices.use(voice, acme.pk, now=today + dt.timedelta(days=1))
    override = prices.override(
        acme.pk, prices.rate(prices.per_unit("1")), now=today + dt.timedelta(days=1)
    )
    coupon = coupons.create_coupon(code="AUTUMN", name="Autumn", percentage=Decimal(10), now=today)
    discount = terms.redeem_coupon(workspace_id=acme.pk, code="AUTUMN", now=today)
    commitment = terms.add_commitment(workspace_id=acme.pk, amount=Decimal(100), now=today)
    numbers = terms.add_add_on(
        workspace_id=acme.pk, name="Numbers", quantity=Decimal(2), unit_price=Decimal(3), now=today
    )
    training, _ = manual_items.add_manual_item(
        workspace_id=acme.pk,
        line=manual_items.Line("charge", "Training", Decimal(900)),
        reason="Asked for",
        asked_by="ann@finance.test",
        now=today,
    )
    return {
        "line_id": str(training.pk),
        "coupon_id": str(coupon.pk),
        "discount_id": str(discount.pk),
        "commitment_id": str(commitment.pk),
        "add_on_id": str(numbers.pk),
        "card_id": str(voice.pk),
        "number": 1,
        "assignment_id": str(voice.assignments.get().pk),
        "override_id": str(override.pk),
        "cost_id": str(costs.cost("0.01", "twilio").pk),
        "workspace_id": str(acme.pk),
        "period_id": str(invoice.billing_period_id),
        "invoice_id": str(invoice.pk),
        "item_id": str(invoice.items.get(kind="usage").pk),
        "record_id": str(acme.usagerecord_set.get().pk),
        "call_id": str(call),
        "agent_id": str(make_agent(acme, "Front desk").pk),
        "member_id": str(acme.memberships.get().pk),
    }


@pytest.mark.django_db
@pytest.mark.usefixtures("_one_connection")
def test_whatever_is_sent_the_answer_is_as_documented(ids):
    contract = schemathesis.openapi.from_dict(DOCUMENT)
    contract.app = application
    headers = {"Authorization": f"Bearer {ApiClient().secret}"}

    for path, method in OPERATIONS:
        operation = contract[path][method.upper()]

        @seed(20261122)
        @settings(
            max_examples=5,
            deadline=None,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(
            case=st.one_of(
                operation.as_strategy(generation_mode=GenerationMode.POSITIVE),
                operation.as_strategy(generation_mode=GenerationMode.NEGATIVE),
            ),
            exists=st.booleans(),
        )
        def check(case: Any, exists: bool) -> None:
            if exists:
                case.path_parameters = {name: ids[name] for name in case.path_parameters or {}}
            response = case.call(base_url="http://localhost", headers=headers)
            case.validate_response(response, checks=CHECKS)

        # What one operation changes, the others do not see.
        with transaction.atomic():
            check()
            transaction.set_rollback(True)
