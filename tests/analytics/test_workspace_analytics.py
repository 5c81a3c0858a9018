import datetime as dt
from decimal import Decimal

import pytest

from analytics.summaries import HourCount, usage_summary, workspace_analytics
from billing.models import Workspace
from billing.queries import active_period
from billing.services.periods import open_period
from tests.kit.personas import make_workspace
from usage.models import CallRollup, UsageRollup

pytestmark = pytest.mark.django_db
NOW = dt.datetime(2026, 11, 22, 9, 0, tzinfo=dt.UTC)
NOVEMBER = {"start": dt.date(2026, 11, 1), "end": dt.date(2026, 12, 1)}


@pytest.fixture
def acme() -> Workspace:
    return make_workspace("Acme")


def add_usage_rollup(
    owner: Workspace, day: str, kind: str, provider: str, quantity: str, cost: str, slot: int = 0
) -> None:
    period = open_period(workspace_id=owner.pk, at=NOW, now=NOW)
    UsageRollup.objects.create(
        workspace=owner,
        billing_period=period,
        slot=slot,
        usage_date=day,
        resource_type=kind,
        provider=provider,
        records=1,
        quantity=quantity,
        billed_quantity=quantity,
        total_cost=cost,
        final_cost=cost,
    )


def add_call_rollup(
    owner: Workspace,
    day: str,
    hour: int,
    status: str,
    calls: int,
    seconds: str = "0",
    provider: str = "twilio",
    direction: str = "inbound",
) -> None:
    timed = 0 if status == "in_progress" else calls
    row, _ = CallRollup.objects.get_or_create(
        workspace=owner,
        local_date=day,
        provider=provider,
        status=status,
        direction=direction,
        defaults={"calls": 0},
    )
    row.calls += calls
    row.timed_calls += timed
    row.duration_seconds += Decimal(seconds)
    row.by_hour[hour] += calls
    row.save()


def summary_of(owner: Workspace):
    return usage_summary(workspace=owner, period=active_period(workspace_id=owner.pk, at=NOW))


def test_a_summary_adds_up_slots_days_types_and_providers(acme, django_assert_num_queries):
    add_usage_rollup(acme, "2026-11-01", "call_minutes", "twilio", "100.5", "5.1000000001")
    add_usage_rollup(acme, "2026-11-01", "call_minutes", "twilio", "0.5", "0.0000000009", slot=3)
    add_usage_rollup(acme, "2026-11-02", "call_minutes", "telnyx", "10", "1")
    add_usage_rollup(acme, "2026-11-02", "synthesis", "elevenlabs", "2000", "9.25")
    add_usage_rollup(make_workspace("Globex"), "2026-11-02", "synthesis", "elevenlabs", "1", "1000")

    with django_assert_num_queries(3):
        summary = summary_of(acme)

    assert summary.subtotal == Decimal("15.3500000010")
    assert summary.subscription_fee == 49
    assert summary.total_amount == Decimal("64.3500000010")
    assert summary.by_resource_type == [
        ("synthesis", Decimal(2000), Decimal("9.25")),
        ("call_minutes", Decimal(111), Decimal("6.1000000010")),
    ]
    assert summary.by_provider == [
        ("elevenlabs", Decimal("9.25")),
        ("twilio", Decimal("5.1000000010")),
        ("telnyx", Decimal(1)),
    ]


def test_late_usage_is_in_the_period_that_bills_it(acme):
    add_usage_rollup(acme, "2026-10-30", "storage", "aws", "1", "0.5")

    assert summary_of(acme).subtotal == Decimal("0.5")
    assert workspace_analytics(workspace=acme, **NOVEMBER).total_cost == 0


def test_a_workspace_without_a_period_has_zeros_and_empty_lists(acme):
    summary = summary_of(acme)

    assert summary.period is None
    assert summary.total_amount == 0
    assert summary.by_provider == summary.by_resource_type == []


def test_analytics_count_calls_and_merge_providers(acme, django_assert_num_queries):
    add_call_rollup(acme, "2026-11-01", 9, "completed", 3, "390.000")
    add_call_rollup(acme, "2026-11-30", 9, "failed", 1, "10.500", direction="outbound")
    add_call_rollup(acme, "2026-11-15", 14, "completed", 4, "100.100", provider="telnyx")
    add_call_rollup(acme, "2026-11-15", 14, "in_progress", 2)
    add_call_rollup(acme, "2026-11-15", 3, "busy", 0)
    add_call_rollup(acme, "2026-12-01", 5, "completed", 50, "1")
    add_call_rollup(acme, "2026-10-31", 5, "completed", 50, "1")
    add_call_rollup(make_workspace("Globex"), "2026-11-15", 7, "completed", 9, "9")
    add_usage_rollup(acme, "2026-11-15", "call_minutes", "telnyx", "1", "2.5")
    add_usage_rollup(acme, "2026-11-15", "synthesis", "elevenlabs", "1", "7.125")

    with django_assert_num_queries(3):
        figures = workspace_analytics(workspace=acme, **NOVEMBER)

    assert figures.total_calls == 10
    assert figures.total_minutes == Decimal("8.34")  # 500.6 s
    assert figures.total_cost == Decimal("9.625")
    assert figures.avg_call_duration == Decimal("62.58")  # 500.6 s / 8 ended
    assert figures.success_rate == Decimal("0.8750")  # 7 of 8 ended
    assert figures.by_provider == {
        "elevenlabs": (0, Decimal("7.125")),
        "telnyx": (4, Decimal("2.5")),
        "twilio": (6, Decimal(0)),
    }
    assert list(figures.by_provider) == ["elevenlabs", "telnyx", "twilio"]
    assert figures.by_status == {"completed": 7, "in_progress": 2, "failed": 1}
    assert figures.by_direction == {"inbound": 9, "outbound": 1}


def test_peak_hours_are_all_24_busiest_first(acme):
    add_call_rollup(acme, "2026-11-01", 14, "completed", 5)
    add_call_rollup(acme, "2026-11-02", 14, "failed", 1)
    add_call_rollup(acme, "2026-11-01", 23, "completed", 3)
    add_call_rollup(acme, "2026-11-01", 2, "completed", 3)

    hours = workspace_analytics(workspace=acme, **NOVEMBER).peak_hours

    assert hours[:4] == [HourCount(14, 6), HourCount(2, 3), HourCount(23, 3), HourCount(0, 0)]
    assert sorted(hour.hour for hour in hours) == list(range(24))


def test_without_ended_calls_there_is_no_success_rate(acme):
    add_call_rollup(acme, "2026-11-01", 14, "in_progress", 5)

    figures = workspace_analytics(workspace=acme, **NOVEMBER)

    assert figures.success_rate is None
    assert (figures.total_calls, figures.avg_call_duration, figures.total_minutes) == (5, 0, 0)
