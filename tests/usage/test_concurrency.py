"""Many writers at once, on real PostgreSQL with real threads."""

import os
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from functools import partial
from itertools import cycle
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.db.models import Sum

from billing.models import BillingPeriod, LimitAlert, PeriodCounter
from billing.services.workspaces import update_billing_settings
from tests.kit.personas import NOW, make_workspace
from tests.kit.waiting import wait_until
from usage.models import UsageRecord
from usage.services.ingest import Recorded, check_entries, record_usage, recording
from usage.services.ingest.checking import PricedRecord
from usage.services.ingest.parsing import usage_parser
from usage.services.ledger import usage_differences

pytestmark = pytest.mark.django_db(transaction=True)
CLIENTS = 8
# Longer by hand, for what shows up once in a while.
SECONDS = float(os.environ.get("CONCURRENCY_SECONDS", "1"))


def records(uses: list[tuple[str, str]]) -> list[PricedRecord]:
    """One minute at a dollar for each (workspace id, key)."""
    lines = [
        f'{{"idempotency_key":"{key}","workspace_id":"{owner}","resource_type":"call_minutes",'
        f'"provider":"twilio","quantity":"1","unit_cost":"1"}}'.encode()
        for owner, key in uses
    ]
    checked, errors = check_entries(usage_parser.lines(lines), now=NOW)
    assert errors == []
    return checked


def at_once(work: Callable[[int], None], clients: int = CLIENTS) -> None:
    """Run `work(number)` in as many threads, started together; raises the first failure."""
    barrier = threading.Barrier(clients)
    failures: list[BaseException] = []

    def run(number: int) -> None:
        barrier.wait()
        try:
            work(number)
        except BaseException as failure:  # noqa: BLE001 - raised below, in the test's thread
            failures.append(failure)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    if failures:
        raise failures[0]


@pytest.mark.parametrize("limit", [None, 1])
def test_clients_that_send_the_same_keys_count_each_once(limit):
    owners = [str(make_workspace(name).pk) for name in ("acme", "globex")]
    for owner in owners:
        changes = {"usage_limit_monthly": limit and Decimal(limit)}
        update_billing_settings(workspace_id=UUID(owner), changes=changes, now=NOW)
    uses = [(owners[number % 2], f"k{number}") for number in range(200)]
    results: list[Recorded] = []

    def send(number: int) -> None:
        mine = uses[:]
        random.Random(number).shuffle(mine)
        results.append(record_usage(records(mine), now=NOW))

    at_once(send)

    assert sum(result.accepted for result in results) == 200
    assert sum(result.duplicates for result in results) == 200 * (CLIENTS - 1)
    assert PeriodCounter.objects.aggregate(n=Sum("records"))["n"] == 200
    assert usage_differences() == []


def test_clients_that_open_the_same_period_get_one():
    acme = str(make_workspace("Acme").pk)

    at_once(lambda number: record_usage(records([(acme, f"k{number}")]), now=NOW) and None)

    assert BillingPeriod.objects.count() == 1
    assert UsageRecord.objects.count() == CLIENTS


@pytest.fixture
def no_second_try(monkeypatch):
    """A deadlock is an error here, and not undone and tried again."""
    monkeypatch.setattr(recording, "_DEADLOCK", "none")


# Far from a limit, past one that is looked at with every use, and both in the same batch.
@pytest.mark.parametrize("limits", [[None], [1], [None, 1, 10**9]])
def test_writers_of_the_same_workspaces_in_random_order_never_deadlock(limits, no_second_try):
    owners = [str(make_workspace(f"w{number}").pk) for number in range(20)]
    for owner, limit in zip(owners, cycle(limits), strict=False):
        changes = {"usage_limit_monthly": limit and Decimal(limit)}
        update_billing_settings(workspace_id=UUID(owner), changes=changes, now=NOW)
    sent = [0] * CLIENTS
    until = time.monotonic() + SECONDS

    def send(number: int) -> None:
        rng = random.Random(number)
        while time.monotonic() < until:
            uses = [
                (owner, f"{number}:{sent[number]}:{place}")
                for place, owner in enumerate(rng.choices(owners, k=60))
            ]
            assert record_usage(records(uses), now=NOW).accepted == 60
            sent[number] += 60

    at_once(send)

    assert UsageRecord.objects.count() == sum(sent) > 0
    assert usage_differences() == []


@pytest.mark.parametrize("table", ["usage_usagerollup", "billing_periodcounter"])
def test_rows_are_locked_in_the_order_of_their_keys(table):
    period = "period_id" if table == "billing_periodcounter" else "billing_period_id"
    rows = f"SELECT {period} FROM {table} WHERE slot = 0"
    owners = [str(make_workspace(f"w{number}").pk) for number in range(9)]
    record_usage(records([(owner, "first") for owner in owners]), now=NOW)
    periods = [row.pk for row in BillingPeriod.objects.order_by("pk")]
    before, (held, *after) = periods[:4], periods[4:]
    holder, writer = connection.copy(), ThreadPoolExecutor(1)

    def write() -> int:
        try:
            return record_usage(records([(owner, "again") for owner in owners]), now=NOW).accepted
        finally:
            connection.close()

    def free() -> list[UUID]:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"{rows} ORDER BY {period} FOR UPDATE SKIP LOCKED")
            return [row[0] for row in cursor]

    with holder.cursor() as cursor:
        cursor.execute(f"BEGIN; {rows} AND {period} = %s FOR UPDATE", [held])
    try:
        written = writer.submit(write)
        wait_until(lambda: free() not in ([*before, *after], periods))
        wait_until(lambda: free() == after)
    finally:
        holder.close()
        writer.shutdown()
    assert written.result() == 9


def test_records_are_written_in_the_order_of_their_key_however_they_come(monkeypatch):
    owners = [str(make_workspace(f"w{number}").pk) for number in range(3)]
    # The second is what writes to distributed records.
    orders, writes = [], {name: getattr(recording, name) for name in ("write", "write_apart")}

    def seen(name, priced, *args, **facts):
        orders.append([(each.workspace_id, each.id) for each in priced])
        return writes[name](priced, *args, **facts)

    for name in writes:
        monkeypatch.setattr(recording, name, partial(seen, name))
    uses = [(owner, f"{number}") for number in range(5) for owner in owners]

    record_usage(records(uses), now=NOW)
    record_usage(records([(owner, f"{key}!") for owner, key in reversed(uses)]), now=NOW)

    assert [len(order) for order in orders] == [15, 15]
    assert orders == [sorted(order) for order in orders]


def test_a_limit_crossed_by_two_batches_together_is_noticed():
    acme = make_workspace("Acme")
    update_billing_settings(
        workspace_id=acme.pk, changes={"usage_limit_monthly": Decimal(96)}, now=NOW
    )

    def send(number: int) -> None:
        uses = [(str(acme.pk), f"{number}:{place}") for place in range(10)]
        record_usage(records(uses), now=NOW)

    # Eight batches of ten uses at 1.20 each: together they reach the limit to the cent.
    at_once(send)

    assert sorted(LimitAlert.objects.values_list("kind", flat=True)) == ["limit", "threshold"]
