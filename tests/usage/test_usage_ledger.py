"""Proving sums against records, and mending them."""

import datetime as dt
import threading
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.db import connection

from billing.models import PeriodCounter
from tests.kit.personas import make_workspace
from tests.kit.usage import make_call, make_usage
from usage.models import CallRollup, UsageRollup
from usage.services.ledger import rebuild_rollups, usage_differences

OCTOBER_5 = dt.datetime(2026, 10, 5, 12, tzinfo=dt.UTC)


@pytest.fixture
def acme():
    where = make_workspace("Acme")
    make_usage(where, OCTOBER_5, "3", "2")
    make_usage(where, OCTOBER_5, "4", "2")
    make_call(where, OCTOBER_5, seconds="90")
    return where


@pytest.fixture
def globex():
    where = make_workspace("Globex")
    make_usage(where, OCTOBER_5, "1", "1", resource_type="transcription", provider="deepgram")
    return where


def described() -> list[str]:
    return [f"{each.what}: {each.detail}" for each in usage_differences()]


@pytest.mark.django_db
def test_what_ingest_writes_agrees(acme, globex):
    assert usage_differences() == []


@pytest.mark.django_db
def test_a_rollup_that_is_off_is_named_with_both_sides(acme, globex):
    UsageRollup.objects.filter(workspace=acme).update(final_cost=Decimal("16.81"))

    assert described() == [
        "records and rollups: 2026-10-05 call_minutes twilio: 2 records of 7.000000 for"
        " 16.8000000000, rolled up as 2 of 7.000000 for 16.8100000000",
        "rollups and counters: 2 records for 16.8100000000 in rollups, 2 for 16.8000000000 counted",
    ]
    assert {each.workspace_id for each in usage_differences()} == {acme.pk}


@pytest.mark.django_db
def test_a_lost_rollup_and_one_of_nothing_are_found(acme, globex):
    UsageRollup.objects.filter(workspace=acme).delete()
    UsageRollup.objects.filter(workspace=globex).update(provider="nobody")

    assert sorted(each.split(" for")[0] for each in described()) == [
        "records and rollups: 2026-10-05 call_minutes twilio: 2 records of 7.000000",
        "records and rollups: 2026-10-05 transcription deepgram: 1 records of 1.000000",
        "records and rollups: 2026-10-05 transcription nobody: 0 records of 0",
        "rollups and counters: 0 records",
    ]


@pytest.mark.django_db
def test_a_counter_and_a_call_rollup_that_are_off_are_found(acme, globex):
    counter = PeriodCounter.objects.get(period__workspace=globex, records=1)
    counter.records = 3
    counter.save()
    CallRollup.objects.filter(workspace=acme).update(calls=5)

    assert described() == [
        "rollups and counters: 1 records for 1.2000000000 in rollups, 3 for 1.2000000000 counted",
        "calls and rollups: 2026-10-05 twilio completed inbound: 1 calls, 1 of"
        " them of 90.000 s, rolled up as 5, 1 of them of 90.000 s",
    ]


@pytest.mark.django_db
def test_a_call_that_is_rolled_up_in_another_hour_is_found(acme):
    hours = [0] * 24
    hours[15] = 1
    CallRollup.objects.filter(workspace=acme).update(by_hour=hours)

    assert described() == [
        "calls and rollups: 2026-10-05 twilio completed inbound: 1 calls, 1 of them of 90.000 s,"
        " rolled up as 1, 1 of them of 90.000 s; at 14:00 1, rolled up as 0, 15:00 0, rolled up"
        " as 1",
    ]
    assert rebuild_rollups() == 1
    assert usage_differences() == []


@pytest.mark.django_db
def test_one_workspace_can_be_looked_at_alone(acme, globex):
    UsageRollup.objects.update(quantity=9)

    assert {each.workspace_id for each in usage_differences(workspace_id=acme.pk)} == {acme.pk}
    assert len(usage_differences()) == 2


@pytest.mark.django_db
def test_rebuilding_mends_what_differs_from_the_records(acme, globex, capsys):
    UsageRollup.objects.filter(workspace=acme).update(final_cost=99, records=7)
    UsageRollup.objects.filter(workspace=globex).delete()
    CallRollup.objects.update(calls=5)

    assert rebuild_rollups() == 3

    assert usage_differences() == []
    assert UsageRollup.objects.get(workspace=acme).final_cost == Decimal("16.8")
    assert rebuild_rollups() == 0


@pytest.mark.django_db
def test_rebuilding_one_workspace_leaves_the_others(acme, globex):
    UsageRollup.objects.update(records=7)

    call_command("rebuild_rollups", f"--workspace={acme.pk}")

    assert {each.workspace_id for each in usage_differences()} == {globex.pk}


@pytest.mark.django_db(transaction=True)
def test_rebuilding_while_usage_comes_in_loses_nothing_and_never_deadlocks():
    acme = make_workspace("Acme")
    make_usage(acme, OCTOBER_5, "1", "1")
    failures: list[Exception] = []
    rebuilt = threading.Event()

    def write(client: int) -> None:
        number = 0
        try:
            while not rebuilt.is_set():
                number += 1
                make_usage(
                    acme, OCTOBER_5, "1", "1", provider=f"p{number}", key=f"{client}:{number}"
                )
        except Exception as error:  # noqa: BLE001 - raised below
            failures.append(error)
        finally:
            connection.close()

    writers = [threading.Thread(target=write, args=(client,)) for client in range(4)]
    for writer in writers:
        writer.start()
    try:
        for _ in range(12):
            UsageRollup.objects.filter(provider="twilio").update(records=1000)
            assert rebuild_rollups() == 1
    finally:
        rebuilt.set()
        for writer in writers:
            writer.join(30)

    assert failures == []
    assert usage_differences() == []
