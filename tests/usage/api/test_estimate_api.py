"""What a record would cost, before it is recorded."""

import datetime as dt
from decimal import Decimal

import pytest
import time_machine

from billing.models import BillingPeriod
from tests.kit.api import ApiClient, problem_of, refusal
from tests.kit.costs import cost, exchange_rate
from tests.kit.personas import NOW, make_workspace, member_client
from tests.kit.prices import override, per_unit, published, rate, use
from usage.models import CostDrift, LowMargin, UsageRecord, UsageRollup

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _now():
    with time_machine.travel(NOW, tick=False):
        yield


def use_of(workspace, key="k", **facts):
    return {
        "idempotency_key": key,
        "workspace_id": str(workspace.pk),
        "resource_type": "call_minutes",
        "provider": "twilio",
        "quantity": "3.25",
        "unit_cost": "0.0125",
        **facts,
    }


def test_it_is_what_recording_would_answer_and_nothing_is_written():
    acme, caller = make_workspace(), ApiClient()

    estimate = caller.post("usage/estimate/", use_of(acme)).json()

    assert not UsageRecord.objects.exists()
    assert not BillingPeriod.objects.exists()
    assert estimate["billing_period_id"] is None
    assert estimate["rate"] is None
    assert (estimate["list_price"], estimate["margin"]) == ("0.0487500000", "0.0081250000")
    assert (estimate["margin_percentage"], estimate["recorded"]) == ("16.6667", False)
    stored = caller.post("usage/", use_of(acme)).json()
    period = stored["billing_period_id"]
    assert {**estimate, "billing_period_id": period} | stored == {
        **estimate, "billing_period_id": period,
    }  # fmt: skip

    again = caller.post("usage/estimate/", use_of(acme)).json()
    assert (again["recorded"], again["billing_period_id"]) == (True, period)
    other = caller.post("usage/estimate/", use_of(acme, quantity="4"))
    assert refusal(other) == (409, "idempotency_key_reused")
    assert UsageRollup.objects.get().records == 1


def test_it_names_the_rate_the_billed_quantity_and_the_least_margin():
    acme, caller = make_workspace(), ApiClient()
    minute = rate(per_unit("0.12", increment={"first": "0.5", "step": "0.1"}), "call_minutes")
    use(published(minute._replace(min_margin_percentage=Decimal(50))), acme.pk)

    estimate = caller.post("usage/estimate/", use_of(acme, quantity="0.31")).json()

    assert estimate["rate"] == {
        "card": "Voice",
        "version": 1,
        "match": {"resource_type": "call_minutes", "provider": None, "model": None},
        "model": "per_unit",
    }
    assert (estimate["quantity"], estimate["billed_quantity"]) == ("0.31", "0.5")
    assert estimate["list_price"] == "0.0600000000"
    assert (estimate["min_margin_percentage"], estimate["is_below_least_margin"]) == ("50", False)
    # 3.3 minutes billed at 0.12, 3.25 bought at 0.1: 0.396 less 0.325.
    dear = caller.post("usage/estimate/", use_of(acme, unit_cost="0.1")).json()
    assert (dear["is_below_least_margin"], dear["margin_percentage"]) == (True, "17.9293")
    override(acme.pk, rate(per_unit("0.02"), "call_minutes"))
    own = caller.post("usage/estimate/", use_of(acme)).json()
    assert (own["rate"]["card"], own["rate"]["version"]) == (None, None)
    assert own["margin_percentage"] == "37.5000"


def test_a_price_of_the_whole_month_says_what_the_month_makes_of_it():
    acme, caller = make_workspace(), ApiClient()
    minutes = per_unit("0.12", included="10")
    override(acme.pk, rate(minutes, "call_minutes"), starts_on=dt.date(2026, 12, 1))
    with time_machine.travel("2026-12-02T09:00:00Z", tick=False):
        first = caller.post("usage/estimate/", use_of(acme, "a", quantity="8")).json()
        assert (first["list_price"], first["adjustment"]) == ("0.9600000000", "-0.9600000000")
        caller.post("usage/", use_of(acme, "a", quantity="8"))
        both = {"records": [use_of(acme, "b", quantity="3"), use_of(acme, "c", quantity="1")]}
        answer = caller.post("usage/estimate/", both).json()["results"]
        known = caller.post("usage/estimate/", use_of(acme, "a", quantity="8")).json()
    # Two of the three minutes are included, the fourth is beyond.
    assert [each["adjustment"] for each in answer] == ["-0.2400000000", "0.0000000000"]
    assert (known["recorded"], known["adjustment"]) == (True, None)


def test_months_and_workspaces_whose_period_is_not_open_yet_are_kept_apart():
    acme, globex, caller = make_workspace("Acme"), make_workspace("Globex"), ApiClient()
    day = dt.date(2026, 12, 1)
    minutes = rate(per_unit("0.12", included="10"), "call_minutes")
    ours = published(minutes, rate(per_unit("1")), day=day)
    for workspace in (acme, globex):
        use(ours, workspace.pk, day=day)
    december, january = "2026-12-10T09:00:00Z", "2027-01-02T09:00:00Z"
    eight_each = [
        use_of(acme, "a", quantity="8", occurred_at=january),
        use_of(acme, "b", quantity="8", occurred_at=december),
        use_of(acme, "c", quantity="8", occurred_at=december),
        use_of(globex, "d", quantity="8", occurred_at=january),
    ]

    with time_machine.travel("2027-01-03T09:00:00Z", tick=False):
        answer = caller.post("usage/estimate/", {"records": eight_each})

    results = answer.json()["results"]
    assert {each["billing_period_id"] for each in results} == {None}
    # Ten minutes are included in each month of each workspace: two are left for the third record.
    assert [each["adjustment"] for each in results] == [
        "-0.9600000000", "-0.9600000000", "-0.2400000000", "-0.9600000000",
    ]  # fmt: skip


def test_costs_come_from_the_card_and_in_any_currency():
    acme, caller = make_workspace(), ApiClient()
    cost("0.01", "twilio", currency="EUR")
    exchange_rate("1.10")
    facts = use_of(acme, quantity="10")
    del facts["unit_cost"]

    estimate = caller.post("usage/estimate/", facts).json()

    assert (estimate["total_cost"], estimate["cost_currency"], estimate["exchange_rate"]) == (
        "0.1100000000", "EUR", "1.1",
    )  # fmt: skip
    gone = caller.post("usage/estimate/", {**facts, "provider": "telnyx"})
    assert refusal(gone) == (400, "no_cost")
    caller.post("usage/estimate/", {**facts, "unit_cost": "5"})
    assert not CostDrift.objects.exists()
    assert not LowMargin.objects.exists()


def test_many_are_answered_in_order_with_what_is_wrong():
    acme, caller = make_workspace(), ApiClient()
    records = [
        use_of(acme, "a"),
        use_of(acme, "b", quantity="-1"),
        use_of(acme, "a"),
        use_of(acme, "c", occurred_at="2026-10-10T00:00:00Z"),
        {"idempotency_key": "d"},
    ]

    answer = caller.post("usage/estimate/", {"records": records}).json()

    assert [each and each["list_price"] for each in answer["results"]] == [
        "0.0487500000", None, "0.0487500000", "0.0487500000", None,
    ]  # fmt: skip
    assert [(each["index"], each["code"]) for each in answer["errors"]] == [
        (1, "negative"), (4, "required"),
    ]  # fmt: skip
    many = {"records": [use_of(acme, str(n)) for n in range(1001)]}
    assert refusal(caller.post("usage/estimate/", many)) == (413, "too_many_records")
    for body, code in ((b"{", "malformed_json"), (b"[]", "invalid_type")):
        answer = caller.post("usage/estimate/", body)
        assert (answer.status_code, problem_of(answer)["code"]) == (400, code)


def test_costs_stay_hidden_and_workspaces_apart():
    acme, globex = make_workspace("Acme"), make_workspace("Globex")
    reader = ApiClient("usage:read").post("usage/estimate/", use_of(acme)).json()
    assert reader["list_price"] == "0.0487500000"
    assert not {"unit_cost", "total_cost", "margin", "margin_percentage"} & set(reader)
    bound = ApiClient(workspace_id=globex.pk)
    assert refusal(bound.post("usage/estimate/", use_of(acme))) == (400, "unknown_workspace")
    member = member_client(acme)
    answer = member.post("/api/v1/usage/estimate/", use_of(acme), content_type="application/json")
    assert answer.status_code == 403
