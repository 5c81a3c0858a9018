"""The write in two statements of one transaction, as where records are on other servers."""

import io
import json
import os
import threading
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection

from billing.models import LimitAlert
from billing.services.workspaces import update_billing_settings
from invoices.services.closing import finalize_period
from tests.kit.personas import NOW, make_agent, make_period, make_workspace
from tests.kit.usage import make_call
from usage.models import Call, UsageRecord
from usage.services import distribution, partitioning
from usage.services.ingest import RecordOutcome, check_entries, record_usage, recording, statement
from usage.services.ingest.parsing import usage_parser
from usage.services.ledger import usage_differences
from usage.services.voiding import void_record

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def apart(monkeypatch):
    monkeypatch.setattr(distribution, "is_distributed", lambda: True)
    distribution.records_are_distributed.cache_clear()
    yield
    distribution.records_are_distributed.cache_clear()


def sent(*uses, only=None):
    """One batch of (workspace, key, quantity), a dollar each."""
    lines = [
        json.dumps(
            {
                "idempotency_key": key,
                "workspace_id": str(owner.pk),
                "resource_type": "call_minutes",
                "provider": "twilio",
                "quantity": quantity,
                "unit_cost": "1",
            }
        ).encode()
        for owner, key, quantity in uses
    ]
    records, errors = check_entries(usage_parser.lines(lines), now=NOW)
    assert errors == []
    return record_usage(records, now=NOW)


def counts(recorded) -> tuple[int, int, int]:
    return recorded.accepted, recorded.duplicates, len(recorded.errors)


ODD = 'tab\\t "quotes" \\N , {ünï} 100%'


def test_a_batch_is_written_and_counted_once_with_whatever_its_keys_hold():
    acme, globex = make_workspace("Acme"), make_workspace("Globex")
    batch = [(acme, ODD, "2"), (globex, ODD, "3"), (acme, "b", "4")]

    assert counts(sent(*batch)) == (3, 0, 0)
    assert counts(sent(*batch, (globex, "new", "5"))) == (1, 3, 0)
    assert counts(sent(*batch)) == (0, 3, 0)
    reused = sent((acme, "b", "400"), (acme, "c", "1"))

    assert [error.code for error in reused.errors] == ["idempotency_key_reused"]
    assert reused.accepted == 1
    assert UsageRecord.objects.filter(idempotency_key=ODD).count() == 2
    assert usage_differences() == []


def test_a_record_by_itself_and_its_reversal():
    acme = make_workspace("Acme")
    assert counts(sent((acme, "a", "2"))) == (1, 0, 0)
    again = sent((acme, "a", "2"))
    outcome, stored = again.answer(0)
    assert outcome is RecordOutcome.DUPLICATE

    reversals = [
        void_record(workspace_id=acme.pk, record_id=stored.id, reason="wrong", now=NOW)
        for _ in range(2)
    ]

    assert [created for _, created in reversals] == [True, False]
    assert reversals[0][0].reason == "wrong"
    assert usage_differences() == []


def test_limits_are_reached_to_the_cent_and_closed_months_stay_closed():
    acme = make_workspace("Acme")
    update_billing_settings(
        workspace_id=acme.pk, changes={"usage_limit_monthly": Decimal(12)}, now=NOW
    )
    sent((acme, "a", "7.99"), (acme, "b", "0.009"))
    assert LimitAlert.objects.count() == 0

    sent((acme, "c", "0.001"))
    sent((acme, "d", "2"), (acme, "e", "1"))

    assert [each.kind for each in LimitAlert.objects.order_by("spend")] == ["threshold", "limit"]
    closed = finalize_period(period_id=make_period(acme).pk, now=NOW, force=True)
    sent((acme, "f", "1"), (acme, "g", "1"))
    assert closed.usage_records.count() == 5
    assert usage_differences() == []


def test_many_rows_where_some_are_known_are_sent_in_parts():
    acme = make_workspace("Acme")
    first = [(acme, f"{number}", "1") for number in range(0, 1300, 2)]
    everything = [(acme, f"{number}", "1") for number in range(1300)]

    assert counts(sent(*first)) == (650, 0, 0)
    assert counts(sent(*everything)) == (650, 650, 0)

    assert usage_differences() == []


def test_batches_that_meet_at_the_same_keys_count_them_once():
    owners = [make_workspace(f"w{number}") for number in range(3)]
    batch = [(owner, f"{number}", "1") for number in range(40) for owner in owners]
    accepted: list[int] = []
    failures: list[BaseException] = []

    def send() -> None:
        try:
            for start in range(0, 120, 30):
                accepted.append(sent(*batch[start : start + 60]).accepted)
        except BaseException as failure:  # noqa: BLE001 - raised in the test's thread
            failures.append(failure)
        finally:
            connection.close()

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert failures == []
    assert sum(accepted) == 120 == UsageRecord.objects.count()
    assert usage_differences() == []


def test_a_deadlock_is_tried_again(monkeypatch):
    acme = make_workspace("Acme")
    write = recording.write_apart
    tries = []

    class Deadlock(Exception):
        sqlstate = "40P01"

    def unlucky(*args, **facts):
        tries.append(1)
        if len(tries) < 3:
            raise OperationalError("deadlock detected") from Deadlock()
        return write(*args, **facts)

    monkeypatch.setattr(recording, "write_apart", unlucky)

    assert counts(sent((acme, "a", "1"))) == (1, 0, 0)
    assert len(tries) == 3


def test_what_counts_names_no_record():
    assert b"usage_usagerecord" not in statement.COUNT


@pytest.mark.skipif("CITUS_DATABASE_URL" in os.environ, reason="there is one")
def test_without_citus_the_command_says_what_is_missing():
    distribution.records_are_distributed.cache_clear()
    for arguments in (["--check"], []):
        err = io.StringIO()
        with pytest.raises(CommandError) as refused:
            call_command("distribute_records", *arguments, stderr=err)
        assert "extension citus is not installed" in err.getvalue() + str(refused.value)


def test_what_is_distributed_is_not_partitioned(monkeypatch):
    monkeypatch.setattr(partitioning, "is_distributed", lambda: True)
    with pytest.raises(CommandError, match="distributed by Citus"):
        call_command("partition_records", "--parts", "4")
    assert not partitioning.partitioning_has_begun()


def test_the_agent_of_a_call_is_known_here_too():
    acme = make_workspace("Acme")
    agent = make_agent(acme, "Reception")
    call = make_call(acme, NOW)
    Call.objects.update(agent=agent)
    facts = {"workspace_id": str(acme.pk), "resource_type": "speech", "provider": "deepgram"}
    lines = [
        json.dumps(
            {**facts, "idempotency_key": key, "quantity": "2", "unit_cost": "1", **more}
        ).encode()
        for key, more in {
            "a": {"call_id": str(call), "model": "nova-2"},
            "b": {"agent_id": str(agent.pk)},
            "c": {},
        }.items()
    ]
    records, _ = check_entries(usage_parser.lines(lines), now=NOW)

    recorded = record_usage(records, now=NOW)

    stored = [recorded.answer(place)[1] for place in range(3)]
    assert [each.agent_id for each in stored] == [agent.pk, agent.pk, None]
    rows = UsageRecord.objects.order_by("idempotency_key").values_list("agent_id", "model")
    assert list(rows) == [(agent.pk, "nova-2"), (agent.pk, None), (None, None)]
    assert usage_differences() == []
