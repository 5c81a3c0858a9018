"""Usage records divided into partitions by workspace, while usage goes on."""

import io
import json
import threading
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction

from billing.models import BillingPeriod
from tests.kit.partitions import one_table_again
from tests.kit.personas import NOW, make_workspace
from usage.models import UsageRecord
from usage.services import distribution, partitioning
from usage.services.ingest import check_entries, record_usage
from usage.services.ingest.parsing import usage_parser
from usage.services.ledger import usage_differences
from usage.services.partitioning import (
    CannotPartition,
    partition_records,
    partitions,
)
from usage.services.voiding import void_record

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _one_table_again():
    yield
    one_table_again()


def shape() -> dict[str, list[str]]:
    """What the table is made of, by name."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indexrelid::regclass::text FROM pg_index"
            " WHERE indrelid = 'usage_usagerecord'::regclass"
        )
        indexes = sorted(row[0] for row in cursor)
        cursor.execute(
            "SELECT conname FROM pg_constraint WHERE conrelid = 'usage_usagerecord'::regclass"
            " AND contype IN ('c', 'p')"
        )
        constraints = sorted(row[0] for row in cursor)
        cursor.execute(
            "SELECT tgname FROM pg_trigger"
            " WHERE tgrelid = 'usage_usagerecord'::regclass AND NOT tgisinternal"
        )
        triggers = sorted(row[0] for row in cursor)
    return {"indexes": indexes, "constraints": constraints, "triggers": triggers}


def spend(owner, *keys: str) -> list[UsageRecord]:
    lines = [
        json.dumps(
            {
                "idempotency_key": key,
                "workspace_id": str(owner.pk),
                "resource_type": "call_minutes",
                "provider": "twilio",
                "quantity": "10",
                "unit_cost": "0.05",
            }
        ).encode()
        for key in keys
    ]
    records, errors = check_entries(usage_parser.lines(lines), now=NOW)
    recorded = record_usage(records, now=NOW)
    assert (errors, recorded.errors) == ([], [])
    return list(UsageRecord.objects.filter(workspace=owner, pk__in=[each.id for each in records]))


def command(*arguments: str) -> str:
    out = io.StringIO()
    call_command("partition_records", *arguments, stdout=out)
    return out.getvalue().strip()


def test_everything_is_as_it_was_but_in_parts():
    owners = [make_workspace(f"w{number}") for number in range(12)]
    before = {record.pk for owner in owners for record in spend(owner, "a", "b")}
    was = shape()

    assert command("--parts", "4") == "usage records are in 4 partitions"

    assert shape() == was
    assert set(UsageRecord.objects.values_list("pk", flat=True)) == before
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(DISTINCT tableoid) FROM usage_usagerecord")
        assert cursor.fetchone()[0] > 1
    assert command("--parts", "4") == "usage records have 4 partitions already"
    with pytest.raises(CommandError, match="4 partitions already"):
        command("--parts", "8")


def test_records_are_counted_once_voided_and_never_edited_in_partitions():
    acme, globex = make_workspace("Acme"), make_workspace("Globex")
    (first,) = spend(acme, "one")
    partition_records(parts=4)

    spend(acme, "one", "two")
    spend(globex, "one")
    reversal, created = void_record(
        workspace_id=acme.pk, record_id=first.pk, reason="wrong", now=NOW
    )

    assert created
    assert reversal.final_cost == Decimal("-0.6")
    assert UsageRecord.objects.count() == 4
    assert usage_differences() == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE usage_usagerecord SET quantity = 0",
        "DELETE FROM usage_usagerecord",
        "UPDATE usage_usagerecord_p0 SET quantity = 0",
        "SET LOCAL usage.allow_truncate = off; TRUNCATE usage_usagerecord",
        "SET LOCAL usage.allow_truncate = off; TRUNCATE usage_usagerecord_p0",
    ],
)
def test_partitions_are_append_only_too(statement):
    for number in range(8):
        spend(make_workspace(f"w{number}"), "one")
    partition_records(parts=2)

    with (
        pytest.raises(IntegrityError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)


def test_a_partition_takes_no_record_of_a_closed_period_either():
    acme = make_workspace("Acme")
    (record,) = spend(acme, "one")
    partition_records(parts=2)
    BillingPeriod.objects.update(status="finalized", finalized_at=NOW)
    with connection.cursor() as cursor:
        cursor.execute("SELECT tableoid::regclass::text FROM usage_usagerecord")
        part = cursor.fetchone()[0]

    with (
        pytest.raises(IntegrityError, match="not a current period"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(
            f"INSERT INTO {part} SELECT (jsonb_populate_record(record,"
            " jsonb_build_object('id', gen_random_uuid()))).*"
            f" FROM {part} AS record WHERE id = %s",
            [record.pk],
        )


def test_a_run_that_is_killed_goes_on_where_it_was(monkeypatch):
    acme = make_workspace("Acme")
    for batch in range(5):
        spend(acme, *[f"{batch}/{number}" for number in range(200)])
    monkeypatch.setattr(partitioning, "_BLOCKS", 5)
    seen = []

    def killed(done: int, blocks: int) -> None:
        seen.append(done)
        if len(seen) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        partition_records(parts=4, progress=killed)
    # Usage goes on, into the table that counts, and follows into the other.
    spend(acme, *[f"later/{number}" for number in range(50)])
    assert partitions() == 0
    with pytest.raises(CannotPartition, match="4 partitions has begun"):
        partition_records(parts=8)

    partition_records(parts=4, progress=lambda done, blocks: seen.append(done))

    assert seen[:3] == [5, 10, 15]
    assert (partitions(), UsageRecord.objects.count()) == (4, 1050)
    assert usage_differences() == []


def test_a_run_that_is_given_up_leaves_no_trace(monkeypatch):
    acme = make_workspace("Acme")
    spend(acme, "one")
    was = shape()

    def killed(done: int, blocks: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        partition_records(parts=4, progress=killed)

    assert "partition_records has begun" in "".join(distribution.missing())

    assert command("--forget") == "the run is given up"
    assert command("--forget") == "no run has begun"
    assert shape() == was
    spend(acme, "two")
    partition_records(parts=2)
    assert UsageRecord.objects.count() == 2


def test_usage_goes_on_while_the_table_is_divided(monkeypatch):
    owners = [make_workspace(f"w{number}") for number in range(4)]
    for owner in owners:
        spend(owner, *[f"before/{number}" for number in range(300)])
    monkeypatch.setattr(partitioning, "_BLOCKS", 1)
    stop = threading.Event()
    failures: list[BaseException] = []
    sent = [0] * len(owners)

    def write(number: int) -> None:
        try:
            while not stop.is_set():
                spend(owners[number], *[f"{sent[number]}/{each}" for each in range(5)])
                sent[number] += 1
        except BaseException as failure:  # noqa: BLE001 - raised in the test's thread
            failures.append(failure)
        finally:
            connection.close()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(len(owners))]
    for thread in threads:
        thread.start()
    try:
        partition_records(parts=4)
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)

    assert failures == []
    assert min(sent) > 0
    assert partitions() == 4
    assert UsageRecord.objects.count() == 4 * 300 + 5 * sum(sent)
    assert usage_differences() == []
