"""Whatever is sent to the API, and with whichever key, it answers as its OpenAPI document says.

A few examples an operation here; `make fuzz` sends many, with another seed each time.
"""

import datetime as dt
import os
from decimal import Decimal
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, transaction
from django.utils import timezone as clock
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from billing.api.refusals import forget_refusals
from billing.models import SCOPES, ServiceKey
from billing.services import coupons, terms
from config.wsgi import application
from invoices.payments.services.credit_notes import draft_credit_note
from invoices.services import manual_items, manual_lines
from tests.kit import costs, prices
from tests.kit.api import bearer, make_key
from tests.kit.contract import DOCUMENT, OPERATIONS
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
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "3"))
SEED = int(os.environ.get("FUZZ_SEED", "20261122"))


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
        line=manual_lines.ManualLine("charge", "Training", Decimal(900)),
        reason="Asked for",
        asked_by="ann@finance.test",
        now=today,
    )
    note = draft_credit_note(
        invoice_id=invoice.pk,
        total=Decimal(1),
        reason="goodwill",
        explanation="Sorry",
        rest_to="credit",
        drafted_by="ann@finance.test",
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
        "credit_note_id": str(note.pk),
        "item_id": str(invoice.items.get(kind="usage").pk),
        "record_id": str(acme.usagerecord_set.get().pk),
        "call_id": str(call),
        "agent_id": str(make_agent(acme, "Front desk").pk),
        "member_id": str(acme.memberships.get().pk),
    }


@pytest.fixture
def keys(ids: dict[str, str | int]) -> dict[str, dict[str, str]]:
    """The headers of each kind of caller, by what it may."""
    acme, globex = ids["workspace_id"], make_workspace("Globex").pk
    now = clock.now()
    secrets = {
        "everything": make_key(*SCOPES),
        "its workspace": make_key(*SCOPES, workspace_id=acme),
        "another workspace": make_key(*SCOPES, workspace_id=globex),
        "expired": make_key(*SCOPES, expires_at=now - dt.timedelta(days=1)),
        "revoked": make_key(*SCOPES),
        **{scope: make_key(scope) for scope in SCOPES},
    }
    revoked = secrets["revoked"].split("_")[1]
    assert ServiceKey.objects.filter(prefix=revoked).update(revoked_at=now) == 1
    return {"nobody": {}, **{name: bearer(secret) for name, secret in secrets.items()}}


# Why what fits the document may be refused all the same, by code: what a JSON schema cannot say.
# Any other refusal of such a request means that the document says too little.
BEYOND_THE_SCHEMA = {
    "invalid_text": "some characters do not show; which ones no portable pattern tells",
    "malformed_json": "texts with NUL, and numbers longer than any column",
    "invalid_provider": "as `invalid_text`, in the form of a key",
    "invalid_model": "as `invalid_provider`",
    "invalid_key": "as `invalid_text`",
    "invalid_code": "a coupon's code has letters of any alphabet, in upper case",
    "too_many_decimals": "how many decimals a JSON number has",
    "too_small": "more than nothing is needed, where both a text and a number are taken",
    "too_large": "a percentage or a price as text has a bound that a pattern cannot count",
    "min_value": "a day after 1999",
    "max_value": "a day before 3000",
    "in_the_past": "today moves",
    "in_the_future": "now moves",
    "too_old": "now moves",
    "ends_before_its_start": "two fields, or a row that is there",
    "same_currency": "two fields",
    "given_by_the_coupon": "two fields",
    "no_cost": "what the cost card has",
    "unknown_tier": "which tiers there are",
    "unknown_workspace": "which workspaces there are",
    "unknown_agent": "which agents there are",
    "unknown_tax_class": "which tax classes there are",
    "nothing_to_dispute": "what a call has cost",
    "open_tier_not_last": "which of several tiers is open",
    "last_tier_not_open": "which of several tiers is open",
    "tiers_not_rising": "each tier ends after the one before",
    "below_minimum": "two fields",
    "invalid_email": "which domains can be",
    "invalid_phone": "which numbers can be",
    "unknown_timezone": "which time zones there are",
    "not_the_first_of_a_month": "which days begin one",
}
# The same for one operation: its code, and why.
BEYOND_ITS_SCHEMA = {
    ("POST /api/v1/invoices/{invoice_id}/credit-notes/", "required"): "an amount, or lines",
    ("POST /api/v1/prices/preview/", "required"): "a quantity, where the price needs one",
    ("POST /api/v1/tax-rates/", "invalid"): "how a tax class is written",
    ("POST /api/v1/prices/what-if/", "required"): "one of four changes",
    ("POST /api/v1/rate-cards/{card_id}/versions/", "required"): "rates, or a version to copy",
    ("POST /api/v1/rate-cards/{card_id}/assignments/", "invalid"): "a workspace, or a tier",
    ("POST /api/v1/coupons/", "invalid"): "a percentage, or an amount with its currency",
    ("POST /api/v1/usage/", "required"): "a cost, where it is in a currency of its own",
    ("POST /api/v1/usage/estimate/", "required"): "a cost, where it is in a currency of its own",
    ("POST /api/v1/exchange-rates/csv/", "invalid"): "lines of CSV",
    ("POST /api/v1/provider-costs/csv/", "invalid"): "lines of CSV",
    ("PUT /api/v1/rate-cards/{card_id}/versions/{number}/csv/", "invalid"): "lines of CSV",
}
# Query parameters that name what there is: a page's place, a provider, a type of resource ...
NAMES_WHAT_THERE_IS = "invalid_parameter"
# Those who get nothing, whatever they ask for.
REFUSED = ("nobody", "expired", "revoked")


@pytest.mark.django_db
@pytest.mark.usefixtures("_one_connection")
def test_whatever_is_sent_the_answer_is_as_documented(ids, keys):
    contract = schemathesis.openapi.from_dict(DOCUMENT)
    contract.app = application
    # Most examples get past the parsing.
    callers = st.sampled_from(["everything"] * 4 + ["its workspace"] * 2 + sorted(keys))

    wrong: list[str] = []
    for path, method in OPERATIONS:
        operation = contract[path][method.upper()]

        @seed(SEED)
        @settings(
            max_examples=EXAMPLES,
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
            caller=callers,
        )
        def check(case: Any, exists: bool, caller: str) -> None:
            exists = exists and set(case.path_parameters or {}) <= set(ids)
            if exists:
                case.path_parameters = {name: ids[name] for name in case.path_parameters or {}}
            forget_refusals()  # or they would be too many
            response = case.call(base_url="http://localhost", headers=keys[caller])
            case.validate_response(response, checks=CHECKS)
            if caller in REFUSED and exists:
                assert response.status_code in (400, 401), (caller, response.content)
            fits = case.meta.generation.mode is GenerationMode.POSITIVE
            if fits and exists and caller == "everything":
                _is_taken(case.operation.label, response)

        # What one operation changes, the others do not see.
        with transaction.atomic():
            try:
                check()
            except (AssertionError, FailureGroup) as error:
                wrong.append(f"{method.upper()} {path}: {_said(error)}")
            transaction.set_rollback(True)
    assert not wrong, f"FUZZ_SEED={SEED} repeats it:\n" + "\n\n".join(wrong)


def _is_taken(operation: str, response: Any) -> None:
    """What fits the document is taken, found missing or in conflict, or refused for a reason."""
    if response.status_code not in (400, 413, 415, 422):
        return
    problem = response.json()
    codes = {each["code"] for each in problem["errors"]} or {problem["code"]}
    unsaid = {
        code
        for code in codes
        if code not in BEYOND_THE_SCHEMA
        and code != NAMES_WHAT_THERE_IS
        and (operation, code) not in BEYOND_ITS_SCHEMA
    }
    assert not unsaid, f"fits the document, and is refused: {response.text[:600]}"


def _said(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return "\n".join(_said(each) for each in error.exceptions)
    return str(error)
