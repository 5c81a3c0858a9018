"""The close against ingest, against itself and against SIGKILL, on real PostgreSQL."""

import datetime as dt
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec
import psycopg
import pytest
from django.conf import settings
from django.db import connection
from django.db.models import Sum

from billing.models import BillingPeriod, PeriodCounter, Workspace
from invoices.models import Invoice, InvoiceItem
from invoices.services.closing import (
    PeriodNotCurrent,
    finalize_due_periods,
    finalize_period,
)
from invoices.services.ledger import close_differences
from tests.kit.forked import DJANGO, Forked, Ready
from tests.kit.locks import somebody_waits
from tests.kit.personas import make_workspace
from tests.kit.usage import make_usage
from tests.kit.waiting import wait_until
from usage.models import UsageRecord
from usage.services.ingest import Entry, check_entries, record_usage
from usage.services.ledger import usage_differences

pytestmark = pytest.mark.django_db(transaction=True)
OCTOBER_20 = dt.datetime(2026, 10, 20, 12, tzinfo=dt.UTC)
NOVEMBER_3 = dt.datetime(2026, 11, 3, 12, tzinfo=dt.UTC)
DEADLINE_SECONDS = 60.0


def in_threads(*works: Callable[[], None]) -> None:
    """Run all at once; raises the first failure."""
    barrier = threading.Barrier(len(works))
    failures: list[BaseException] = []

    def run(work: Callable[[], None]) -> None:
        try:
            barrier.wait(DEADLINE_SECONDS)
            work()
        except BaseException as failure:  # noqa: BLE001 - raised below, in the test's thread
            failures.append(failure)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_SECONDS)
    if failures:
        raise failures[0]


def in_october(count: int, *, tier: str = "starter") -> list[Workspace]:
    """So many workspaces with a use of 10.00 in October."""
    made = [make_workspace(f"W{number}", tier=tier) for number in range(count)]
    for each in made:
        make_usage(each, OCTOBER_20, "1", "10")
    return made


def numbers() -> list[str]:
    return list(Invoice.objects.order_by("number").values_list("number", flat=True))


def test_no_record_enters_a_closed_period_and_none_is_missing_from_its_total():
    workspaces = in_october(6)
    octobers = list(BillingPeriod.objects.all())
    closed, acknowledged = threading.Event(), threading.Lock()
    keys: set[tuple[str, str]] = set()

    def send(client: int) -> None:
        batch, rounds_after = 0, 0
        while rounds_after < 2:
            rounds_after += closed.is_set()
            batch += 1
            # Each batch is for all workspaces, and is sent twice, as after a lost answer.
            entries = [
                {
                    "idempotency_key": f"{client}:{batch}:{number}",
                    "workspace_id": str(each.pk),
                    "resource_type": "call_minutes",
                    "provider": "twilio",
                    "quantity": "1",
                    "unit_cost": "0.1",
                    "occurred_at": OCTOBER_20.isoformat(),
                }
                for each in workspaces
                for number in range(3)
            ]
            parsed = msgspec.json.decode(msgspec.json.encode(entries), type=list[Entry])
            records, _ = check_entries(parsed, now=NOVEMBER_3)
            for _ in range(2):
                answer = record_usage(records, now=NOVEMBER_3)
                assert answer.errors == []
            with acknowledged:
                keys.update((each["workspace_id"], each["idempotency_key"]) for each in entries)

    def close() -> None:
        try:
            for number, period in enumerate(octobers, start=1):
                # Usage has gone on coming in before each of the closes.
                wait_until(lambda least=18 * number: len(keys) >= least)
                finalize_period(period_id=period.pk, now=NOVEMBER_3)
        finally:
            closed.set()

    in_threads(*(lambda client=client: send(client) for client in range(3)), close)

    stored = set(UsageRecord.objects.values_list("workspace_id", "idempotency_key"))
    assert {(str(owner), key) for owner, key in stored} >= keys
    assert UsageRecord.objects.count() == len(keys) + 6
    for period in BillingPeriod.objects.filter(status="finalized"):
        assert period.subtotal == period.usage_records.aggregate(sum=Sum("final_cost"))["sum"]
        assert not period.usage_records.filter(late=True).exists()
    # The race took place: usage came in on both sides of each close.
    assert BillingPeriod.objects.filter(status="finalized", subtotal__gt=12).count() == 6
    assert UsageRecord.objects.filter(late=True).values("workspace").distinct().count() == 6
    assert usage_differences() == []
    assert close_differences() == []


def test_of_many_who_close_a_period_at_once_one_does():
    in_october(1)
    period = BillingPeriod.objects.get()
    outcomes: list[str] = []

    def close() -> None:
        try:
            outcomes.append(finalize_period(period_id=period.pk, now=NOVEMBER_3).status)
        except PeriodNotCurrent as refused:
            outcomes.append(refused.code)

    in_threads(*[close] * 4)

    assert sorted(outcomes) == ["finalized", *["period_not_current"] * 3]
    assert [str(each.amount) for each in Invoice.objects.all()] == ["61.000"]
    assert BillingPeriod.objects.count() == 2


def test_runs_at_once_share_the_work_and_number_invoices_without_gaps(monkeypatch):
    monkeypatch.setattr("invoices.services.closing.finalize.CHUNK", 3)
    in_october(12)
    finalized: list[int] = []

    def run() -> None:
        summary = finalize_due_periods(now=NOVEMBER_3)
        assert summary.failed == []
        finalized.append(summary.finalized)

    in_threads(*[run] * 3)

    assert sum(finalized) == 12
    assert numbers() == [f"INV-2026-{number:06d}" for number in range(1, 13)]
    assert BillingPeriod.objects.filter(status="current").count() == 12
    assert close_differences() == []


def test_a_workspace_that_someone_works_on_holds_nobody_else_up():
    busy, *others = in_october(4)

    def close() -> None:
        assert finalize_due_periods(now=NOVEMBER_3).finalized == 4

    with held("SELECT FROM billing_workspace WHERE id = %s FOR UPDATE", busy.pk) as let_go:

        def let_go_when_the_others_are_closed() -> None:
            wait_until(lambda: Invoice.objects.filter(workspace__in=others).count() == 3)
            let_go()

        in_threads(close, let_go_when_the_others_are_closed)

    assert numbers() == [f"INV-2026-00000{number}" for number in range(1, 5)]


def test_a_process_killed_while_it_closes_leaves_nothing_half_done(closing):
    first, *_ = workspaces = in_october(5)
    finalize_due_periods(now=NOVEMBER_3, workspace_id=first.pk)

    # Killed in the middle of its transaction, where it waits for the invoices' numbers ...
    with held("SELECT FROM invoices_invoicesequence FOR UPDATE"):
        kill_when_it_waits(closing())
    assert numbers() == ["INV-2026-000001"]
    assert BillingPeriod.objects.filter(status="finalized").count() == 1
    make_usage(workspaces[1], OCTOBER_20, "1", "1", now=NOVEMBER_3)
    assert PeriodCounter.objects.filter(period__workspace=workspaces[1], is_open=False).count() == 0

    # ... and when all but one workspace are closed.
    with held("SELECT FROM billing_workspace WHERE id = %s FOR UPDATE", workspaces[4].pk):
        kill_when_it_waits(closing())
        assert len(numbers()) == 4

    summary = finalize_due_periods(now=NOVEMBER_3)

    assert (summary.finalized, summary.invoiced) == (1, 1)
    assert numbers() == [f"INV-2026-00000{number}" for number in range(1, 6)]
    amounts = Invoice.objects.order_by("amount").values_list("amount", flat=True)
    assert [f"{amount:.2f}" for amount in amounts] == ["61.00"] * 4 + ["62.20"]
    assert close_differences() == []
    assert usage_differences() == []


def test_a_process_killed_at_any_table_that_a_close_writes_to_leaves_nothing_half_done(closing):
    in_october(2)
    for table in (PeriodCounter, Invoice, InvoiceItem, BillingPeriod):
        with held(f"LOCK TABLE {table._meta.db_table} IN SHARE MODE"):
            kill_when_it_waits(closing())
        wait_until(lambda: not somebody_waits())
        assert numbers() == []
        assert not BillingPeriod.objects.filter(status="finalized").exists()
        assert not InvoiceItem.objects.exists()
        assert not PeriodCounter.objects.filter(is_open=False).exists()

    assert finalize_due_periods(now=NOVEMBER_3).invoiced == 2
    assert numbers() == ["INV-2026-000001", "INV-2026-000002"]
    assert close_differences() == []
    assert usage_differences() == []


def database_url() -> str:
    facts = connection.settings_dict
    return "postgresql://{USER}:{PASSWORD}@/{NAME}?host={HOST}&port={PORT}".format(**facts)


@contextmanager
def held(statement: str, *parameters: object) -> Iterator[Callable[[], None]]:
    """Rows locked by somebody else; the function lets go of them early."""
    with psycopg.connect(database_url()) as somebody:
        somebody.execute(statement, parameters)
        yield somebody.rollback
        somebody.rollback()


@pytest.fixture(scope="module")
def closing(django_db_setup: None) -> Iterator[Callable[[], Forked]]:
    """Starts a process that closes all that is due."""
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings.local",
        "DATABASE_URL": database_url(),
        "REDIS_URL": "redis://127.0.0.1:9/0",
        "SECRET_KEY": settings.SECRET_KEY,
        "STRIPE_SECRET_KEY": "sk_test_never_used",
        "LOG_LEVEL": "CRITICAL",
    }
    with Ready(f"{DJANGO}\nimport tests.kit.close_once", environment) as ready:
        code = f"import tests.kit.close_once as it; it.main({NOVEMBER_3.isoformat()!r})"
        yield lambda: ready.start(code)


def kill_when_it_waits(process: Forked) -> None:
    try:
        wait_until(lambda: somebody_waits() or process.poll() is not None)
        assert process.poll() is None, "it has ended without being killed"
    finally:
        process.kill()
        process.wait()
