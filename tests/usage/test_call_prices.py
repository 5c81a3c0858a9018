"""What calls cost, kept in the background: complete, repeatable, however late things come."""

import datetime as dt
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone as clock

from billing.models import Workspace
from tests.kit.personas import make_agent, make_workspace
from tests.kit.usage import make_call, make_usage
from usage.models import Call, CallPrice, CallPriceProgress, UsageRecord
from usage.services import call_prices
from usage.services.call_prices import price_calls, price_calls_again, rebuild_call_prices
from usage.services.voiding import void_record

pytestmark = pytest.mark.django_db
NOON = dt.datetime(2026, 11, 2, 12, 0, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
MINUTE = dt.timedelta(minutes=1)


def price_of(call: UUID) -> tuple[int, Decimal]:
    return CallPrice.objects.values_list("records", "price").get(pk=call)


@pytest.fixture
def acme() -> Workspace:
    return make_workspace("Acme")


def test_a_call_costs_what_its_records_cost_and_looks_as_its_call_does(acme: Workspace) -> None:
    desk = make_agent(acme, "Front desk")
    call = make_call(acme, NOON, seconds="195", agent=desk, direction="outbound")
    make_usage(acme, NOON, "3.25", "0.0125", call_id=call)
    make_usage(acme, NOON, "1200", "0.00003", resource_type="synthesis", call_id=call)
    assert price_calls(now=NOON + HOUR) == 1
    priced = CallPrice.objects.get()
    # 3.25 x 0.0125 and 1200 x 0.00003, with 20 % on top
    assert (priced.records, priced.cost, priced.price) == (
        2,
        Decimal("0.076625"),
        Decimal("0.09195"),
    )
    assert (priced.agent, priced.direction, priced.status) == (desk, "outbound", "completed")
    assert (priced.started_at, priced.duration_seconds) == (NOON, 195)


def test_running_it_again_changes_nothing(acme: Workspace) -> None:
    make_usage(acme, NOON, "1", "1", call_id=make_call(acme, NOON))
    assert [price_calls(now=NOON + turn * MINUTE) for turn in (2, 2, 3)] == [1, 0, 0]


def test_usage_that_comes_before_its_call_and_usage_that_comes_long_after_are_both_counted(
    acme: Workspace,
) -> None:
    call = uuid4()
    make_usage(acme, NOON, "1", "1", call_id=call)
    assert price_calls(now=NOON + HOUR) == 0
    Call.objects.create(
        id=call,
        workspace=acme,
        direction="inbound",
        status="completed",
        provider="twilio",
        started_at=NOON,
        local_date=NOON.date(),
        local_hour=13,
        created_at=NOON + 2 * HOUR,
        updated_at=NOON + 2 * HOUR,
    )
    price_calls(now=NOON + 3 * HOUR)
    assert price_of(call) == (1, Decimal("1.2"))
    make_usage(acme, NOON, "2", "1", call_id=call, now=NOON + 50 * HOUR)
    price_calls(now=NOON + 51 * HOUR)
    assert price_of(call) == (2, Decimal("3.6"))


def test_a_reversal_lowers_the_price_of_its_call(acme: Workspace) -> None:
    call = make_call(acme, NOON)
    make_usage(acme, NOON, "1", "1", call_id=call)
    record = acme_record(acme)
    price_calls(now=NOON + MINUTE)
    void_record(workspace_id=acme.pk, record_id=record, reason="twice", now=NOON + HOUR)
    price_calls(now=NOON + 2 * HOUR)
    assert price_of(call) == (2, 0)


def acme_record(acme: Workspace) -> UUID:
    return UsageRecord.objects.get(workspace=acme).pk


def test_what_was_committed_long_after_its_time_is_found_at_night(acme: Workspace) -> None:
    call = make_call(acme, NOON)
    price_calls(now=NOON + 5 * HOUR)
    # Dated five hours ago, there only now.
    make_usage(acme, NOON, "1", "1", call_id=call, now=NOON)
    price_calls(now=NOON + 5 * HOUR + MINUTE)
    assert price_of(call) == (0, 0)
    price_calls_again(now=NOON + 16 * HOUR)
    assert price_of(call) == (1, Decimal("1.2"))


def test_what_is_written_while_a_run_is_under_way_is_left_to_the_next(acme: Workspace) -> None:
    make_call(acme, NOON)
    price_calls(now=NOON + HOUR)
    progress = CallPriceProgress.objects.get()
    assert progress.up_to <= NOON + HOUR
    make_usage(
        acme,
        NOON,
        "1",
        "1",
        call_id=make_call(acme, NOON),
        now=NOON + HOUR - 30 * dt.timedelta(seconds=1),
    )
    assert price_calls(now=NOON + HOUR + MINUTE) == 1


def test_everything_can_be_priced_anew(acme: Workspace) -> None:
    globex = make_workspace("Globex")
    call, other = make_call(acme, NOON), make_call(globex, NOON)
    make_usage(acme, NOON, "1", "1", call_id=call)
    assert rebuild_call_prices(workspace_id=acme.pk) == 1
    assert price_of(call) == (1, Decimal("1.2"))
    assert not CallPrice.objects.filter(pk=other).exists()


def test_another_workspaces_records_under_the_id_of_a_call_are_not_its_own(acme: Workspace) -> None:
    call = make_call(acme, clock.now() - HOUR)
    globex = make_workspace("Globex")
    make_usage(globex, clock.now(), "1", "1", call_id=call)
    price_calls(now=clock.now())
    assert price_of(call) == (0, 0)


def test_a_year_in_which_nothing_was_written_is_passed_in_a_few_steps(
    acme: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes after it is priced in small parts again."""
    monkeypatch.setattr(call_prices, "_CALLS_A_STATEMENT", 1)
    make_usage(acme, NOON, "1", "1", call_id=make_call(acme, NOON))
    later = NOON + dt.timedelta(days=400)
    for turn in range(3):
        at = later + turn * HOUR
        make_usage(acme, at, "1", "1", call_id=make_call(acme, at))
    with CaptureQueriesContext(connection) as asked:
        assert price_calls(now=later + 3 * HOUR) == 4
    windows = [each for each in asked if each["sql"].startswith("SELECT pg_try_advisory")]
    assert len(windows) < 60  # of half an hour each they were 19,000
    assert CallPriceProgress.objects.get().up_to == later + 3 * HOUR
