import datetime as dt
from decimal import Decimal
from uuid import uuid4

import pytest
import time_machine
from django.test import Client

from billing.models import BillingPeriod
from tests.kit.api import ApiClient, problem_of, refusal
from tests.kit.personas import NOW, make_period, make_workspace
from tests.kit.usage import make_call
from usage.models import CallRollup, UsageRollup
from usage.services.ledger import usage_differences

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _november():
    with time_machine.travel(NOW, tick=False):
        yield


def used(period: BillingPeriod, day: str, kind: str, provider: str, quantity: str, cost: str):
    UsageRollup.objects.create(
        workspace_id=period.workspace_id,
        billing_period=period,
        slot=0,
        usage_date=day,
        resource_type=kind,
        provider=provider,
        records=1,
        quantity=quantity,
        billed_quantity=quantity,
        total_cost=cost,
        final_cost=cost,
    )


def test_the_summary_of_the_running_period(django_assert_num_queries):
    acme = make_workspace()
    period = make_period(acme)
    used(period, "2026-11-03", "call_minutes", "twilio", "812.5", "9.1")
    used(period, "2026-11-03", "transcription", "deepgram", "700", "3.24")
    caller = ApiClient("usage:read")
    caller.get("workspaces/")

    with django_assert_num_queries(4):
        summary = caller.get(f"workspaces/{acme.pk}/usage-summary/").json()

    assert summary == {
        "billing_period_id": str(period.pk),
        "period_start": "2026-10-31T23:00:00Z",
        "period_end": "2026-11-30T23:00:00Z",
        "status": "current",
        "currency": "USD",
        "subtotal": "12.3400000000",
        "subscription_fee": "49.00",
        "add_on_fees": "0.0000000000",
        "discounts": "0.0000000000",
        "commitment_shortfall": "0.0000000000",
        "manual_items": "0.0000000000",
        "credit_brought_forward": "0.0000000000",
        "reversals_credited": "0.0000000000",
        "total_amount": "61.3400000000",
        "by_resource_type": [
            {"type": "call_minutes", "quantity": "812.500000", "cost": "9.1000000000"},
            {"type": "transcription", "quantity": "700.000000", "cost": "3.2400000000"},
        ],
        "by_provider": [
            {"provider": "twilio", "cost": "9.1000000000"},
            {"provider": "deepgram", "cost": "3.2400000000"},
        ],
        "adjustments": [],
        "included": [],
    }


def test_the_summary_of_another_period():
    acme = make_workspace()
    make_period(acme)
    october = make_period(acme, dt.datetime(2026, 10, 10, tzinfo=dt.UTC))
    used(october, "2026-10-03", "storage", "aws", "1", "2")

    summary = (
        ApiClient("usage:read")
        .get(f"workspaces/{acme.pk}/usage-summary/", billing_period_id=october.pk)
        .json()
    )

    assert summary["billing_period_id"] == str(october.pk)
    assert summary["subtotal"] == "2.0000000000"


def test_without_a_period_all_is_zero_or_empty():
    acme = make_workspace()

    summary = ApiClient("usage:read").get(f"workspaces/{acme.pk}/usage-summary/").json()

    assert summary == {
        "billing_period_id": None,
        "period_start": None,
        "period_end": None,
        "status": None,
        "currency": "USD",
        "subtotal": "0.0000000000",
        "subscription_fee": "0.00",
        "add_on_fees": "0.0000000000",
        "discounts": "0.0000000000",
        "commitment_shortfall": "0.0000000000",
        "manual_items": "0.0000000000",
        "credit_brought_forward": "0.0000000000",
        "reversals_credited": "0.0000000000",
        "total_amount": "0.0000000000",
        "by_resource_type": [],
        "by_provider": [],
        "adjustments": [],
        "included": [],
    }


def test_analytics_of_the_running_month_and_of_given_days(django_assert_num_queries):
    acme = make_workspace(timezone="Asia/Kathmandu")
    period = make_period(acme)
    used(period, "2026-11-30", "call_minutes", "twilio", "1", "9.1")
    for day, hour, status, calls, seconds in (
        ("2026-11-30", 14, "completed", 113, "25000.5"),
        ("2026-11-01", 9, "failed", 7, "889.5"),
        ("2026-10-31", 9, "completed", 50, "1"),
    ):
        CallRollup.objects.create(
            workspace=acme,
            local_date=day,
            by_hour=[calls if each == hour else 0 for each in range(24)],
            provider="twilio",
            status=status,
            direction="inbound",
            calls=calls,
            timed_calls=calls,
            duration_seconds=Decimal(seconds),
        )
    caller = ApiClient("usage:read")
    caller.get("workspaces/")

    with django_assert_num_queries(4):
        november = caller.get(f"workspaces/{acme.pk}/analytics/").json()

    assert november["peak_hours"][:2] == [{"hour": 14, "count": 113}, {"hour": 9, "count": 7}]
    assert len(november.pop("peak_hours")) == 24
    assert november == {
        "total_calls": 120,
        "total_minutes": "431.50",
        "total_cost": "9.1000000000",
        "avg_call_duration": "215.75",
        "success_rate": "0.9417",
        "by_provider": {"twilio": {"calls": 120, "cost": "9.1000000000"}},
        "by_agent": [],
        "by_model": [],
        "by_status": {"completed": 113, "failed": 7},
        "by_direction": {"inbound": 120},
    }
    days = {"from": "2026-10-31", "to": "2026-11-30"}
    assert caller.get(f"workspaces/{acme.pk}/analytics/", **days).json()["total_calls"] == 57


def test_days_and_hours_are_those_of_the_workspaces_clock():
    def utc(*parts: int) -> dt.datetime:
        return dt.datetime(*parts, tzinfo=dt.UTC)

    def busy_hours(owner, start: str, end: str) -> dict[int, int]:
        path = f"workspaces/{owner.pk}/analytics/"
        hours = ApiClient("usage:read").get(path, **{"from": start, "to": end}).json()["peak_hours"]
        return {row["hour"]: row["count"] for row in hours if row["count"]}

    kathmandu = make_workspace("Acme", timezone="Asia/Kathmandu")  # UTC+05:45
    for minute in (14, 15):
        make_call(kathmandu, utc(2026, 11, 1, 18, minute))
    assert busy_hours(kathmandu, "2026-11-01", "2026-11-02") == {23: 1}
    assert busy_hours(kathmandu, "2026-11-02", "2026-11-03") == {0: 1}

    berlin = make_workspace("Globex", timezone="Europe/Berlin")
    for at in (
        utc(2026, 3, 29, 0, 30),  # 01:30, then the clock skips to 03:00
        utc(2026, 3, 29, 1, 30),
        utc(2026, 10, 25, 0, 30),  # 02:30, twice
        utc(2026, 10, 25, 1, 30),
        utc(2026, 10, 25, 22, 59),  # 23:59
        utc(2026, 10, 25, 23, 0),  # the next day
    ):
        make_call(berlin, at)
    assert busy_hours(berlin, "2026-03-29", "2026-03-30") == {1: 1, 3: 1}
    assert busy_hours(berlin, "2026-10-25", "2026-10-26") == {2: 2, 23: 1}


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ({"from": "yesterday"}, "from"),
        ({"to": "2026-02-30"}, "to"),
        ({"from": "2026-11-02", "to": "2026-11-02"}, "to"),
        ({"from": "2027-01-01"}, "to"),
        ({"from": "2000-01-01"}, "from"),
        ({"since": "2026-11-01"}, "since"),
        ({"from": "2026-11-01\x00"}, "from"),
    ],
)
def test_days_that_make_no_sense_are_refused(query, named):
    refused = ApiClient("usage:read").get(f"workspaces/{make_workspace().pk}/analytics/", **query)

    assert refusal(refused) == (400, "invalid_parameter")
    assert [error["parameter"] for error in problem_of(refused)["errors"]] == [named]


def test_another_workspace_does_not_exist():
    acme, globex = make_workspace("Acme"), make_workspace("Globex")
    theirs = make_period(globex)
    caller = ApiClient(workspace_id=acme.pk)
    member = Client()
    member.force_login(acme.members.get())

    for path in ("usage-summary/", "analytics/"):
        assert caller.get(f"workspaces/{acme.pk}/{path}").status_code == 200
        assert member.get(f"/api/v1/workspaces/{acme.pk}/{path}").status_code == 200
        for other in (globex.pk, uuid4()):
            assert refusal(caller.get(f"workspaces/{other}/{path}")) == (404, "not_found")
            assert member.get(f"/api/v1/workspaces/{other}/{path}").status_code == 404
    summary = f"workspaces/{acme.pk}/usage-summary/"
    assert refusal(caller.get(summary, billing_period_id=theirs.pk)) == (404, "not_found")
    assert refusal(caller.get(summary, billing_period_id="x")) == (400, "invalid_parameter")


def test_reading_needs_its_scope():
    caller = ApiClient("usage:write", "billing:read", "workspaces:write")

    for path in ("usage-summary/", "analytics/"):
        assert refusal(caller.get(f"workspaces/{uuid4()}/{path}")) == (403, "missing_scope")


def test_a_call_of_unknown_length_is_no_part_of_the_average(time_machine):
    time_machine.move_to(NOW, tick=False)
    acme = make_workspace()
    caller = ApiClient("usage:write", "usage:read")
    call = {
        "workspace_id": str(acme.pk),
        "direction": "inbound",
        "status": "completed",
        "provider": "twilio",
        "started_at": "2026-11-22T08:00:00Z",
    }
    for more in ({"duration_seconds": "60"}, {"duration_seconds": "30"}, {}):
        assert caller.post("calls/", {"id": str(uuid4()), **call, **more}).status_code == 201

    found = caller.get(f"workspaces/{acme.pk}/analytics/").json()

    assert (found["total_calls"], found["success_rate"]) == (3, "1.0000")
    assert (found["total_minutes"], found["avg_call_duration"]) == ("1.50", "45.00")
    assert usage_differences(workspace_id=acme.pk) == []
