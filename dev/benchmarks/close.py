"""Measure the month end: `make bench-close`, or `python -m dev.benchmarks.close --workspaces 1000`.

The close runs in processes of its own, as the command does; then the same close is measured for
workspaces that hold a thousand and a million records; then invoices are synced to the sandbox.
docs/performance.md explains how to read what is printed.
"""

import argparse
import datetime as dt
import json
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from dev.benchmarks.environment import begin

begin(".local/bench-close", LOG_LEVEL="WARNING")

import psutil  # noqa: E402
from django.db import connection, transaction  # noqa: E402

from billing.services.builtins import ensure_builtins  # noqa: E402
from dev.benchmarks.months import forget, make_month  # noqa: E402
from dev.benchmarks.sealing import Sealing, measure_sealing  # noqa: E402
from dev.benchmarks.server import postgres_cpu_seconds, postmaster_pid  # noqa: E402
from dev.benchmarks.syncing import Syncing, measure_sync  # noqa: E402
from dev.benchmarks.taxed import measure_taxed  # noqa: E402
from dev.migrate import migrate  # noqa: E402
from invoices.payments.services.proof import Proof, prove  # noqa: E402
from invoices.services.closing import finalize_due_periods  # noqa: E402
from invoices.services.closing.chunk import close_chunk  # noqa: E402
from usage.services import sealing  # noqa: E402
from usage.services.ledger import Scope  # noqa: E402


@dataclass
class MeasuredClose:
    """One close. CPU is milliseconds a workspace.

    Memory is the MiB of one process, after its first chunk and at the highest.
    """

    workspaces: int
    processes: int
    records_each: int
    seconds: float
    rate: float
    python_ms: float
    postgres_ms: float
    memory_first: float
    memory_peak: float
    failed: int


@dataclass
class Held:
    """The close of the same few workspaces' months again and again, rolled back each time."""

    records_each: int
    workspaces: int
    median_ms: float
    python_ms: float
    postgres_ms: float


def main() -> None:
    parser = argparse.ArgumentParser(prog="dev.benchmarks.close")
    parser.add_argument("--workspaces", type=int, default=10_000)
    parser.add_argument("--records", type=int, default=300, help="of each workspace")
    parser.add_argument("--held", default="1000,1000000", help="records each, to be compared")
    parser.add_argument("--held-workspaces", type=int, default=4)
    parser.add_argument("--sync", type=int, default=300, help="invoices at most")
    parser.add_argument(
        "--taxed", type=int, default=0, help="workspaces to close with tax and without; no more"
    )
    parser.add_argument("--skip-check", action="store_true", help="no check_ledger at the end")
    parser.add_argument("--child", metavar="NOW", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(_close_here(dt.datetime.fromisoformat(options.child))))
        return
    migrate()
    ensure_builtins()
    sys.exit(CloseBenchmark(options).run())


class CloseBenchmark:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        today = dt.datetime.now(dt.UTC).date()
        self.first = (today.replace(day=1) - dt.timedelta(days=1)).replace(day=1)
        # The third of the month: every timezone's month has ended, and its grace has passed.
        self.now = dt.datetime.combine(today.replace(day=3), dt.time(), tzinfo=dt.UTC)
        self.postmaster = postmaster_pid()

    def run(self) -> int:
        options = self.options
        forget()
        if options.taxed:
            measure_taxed(
                workspaces=options.taxed,
                first=self.first,
                now=self.now,
                postmaster=self.postmaster,
            )
            return 0
        closings = [
            self._closing(workspaces=options.workspaces, processes=1),
            self._closing(workspaces=options.workspaces, processes=2),
        ]
        held, period_ids = self._held([int(word) for word in options.held.split(",")])
        seals = self._seals(period_ids)
        syncs = self._syncs(options.sync) if options.sync else []
        proof = None if options.skip_check else self._proof()
        self._write(closings, held, seals, syncs)
        return (
            1 if (proof and not proof.passed) or any(closing.failed for closing in closings) else 0
        )

    def _proof(self) -> Proof:
        # Those that were not measured: a closed month without a seal is a difference.
        while sealing.seal_closed_periods(now=self.now):
            pass
        cpu, here = postgres_cpu_seconds(self.postmaster), time.process_time()
        proof = prove(Scope(), now=self.now)
        cpu = postgres_cpu_seconds(self.postmaster) - cpu
        here = time.process_time() - here
        for result in proof.results:
            print(f"proof, {result.step.name}: {result.seconds:.2f} s, {result.count} differences")
        print(
            f"proof: {proof.seconds:.2f} s, with {cpu:.2f} s of PostgreSQL's processor time and"
            f" {here:.2f} s of Python's"
        )
        return proof

    def _closing(self, *, workspaces: int, processes: int) -> MeasuredClose:
        records = self.options.records
        label = f"Bench {processes}"
        make_month(
            label=label, workspaces=workspaces, records=records, first=self.first, now=self.now
        )
        cpu, began = postgres_cpu_seconds(self.postmaster), time.perf_counter()
        command = [sys.executable, "-m", "dev.benchmarks.close", "--child", self.now.isoformat()]
        children = [
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(processes)
        ]
        answers = [json.loads(child.communicate()[0]) for child in children]
        print(f"  {time.perf_counter() - began:.1f} s with the processes' start", flush=True)
        cpu = postgres_cpu_seconds(self.postmaster) - cpu
        seconds = max(each["ended"] for each in answers) - min(each["began"] for each in answers)
        finalized = sum(each["finalized"] for each in answers)
        failed = sum(each["failed"] for each in answers) + (workspaces - finalized)
        closing = MeasuredClose(
            workspaces=finalized,
            processes=processes,
            records_each=records,
            seconds=seconds,
            rate=finalized / seconds,
            python_ms=1000 * sum(each["cpu"] for each in answers) / finalized,
            postgres_ms=1000 * cpu / finalized,
            memory_first=max(each["memory_first"] for each in answers),
            memory_peak=max(each["memory_peak"] for each in answers),
            failed=failed,
        )
        print(
            f"close, {processes} process(es): {closing.workspaces:,} workspaces of {records:,}"
            f" records in {seconds:.1f} s: {closing.rate:,.0f} workspaces/s;"
            f" CPU a workspace {closing.python_ms:.2f} ms Python +"
            f" {closing.postgres_ms:.2f} ms PostgreSQL; memory {closing.memory_first:.0f} MiB"
            f" after the first chunk, {closing.memory_peak:.0f} at most; {failed} failed",
            flush=True,
        )
        return closing

    def _held(self, counts: list[int]) -> tuple[list[Held], list[UUID]]:
        """In turns, so that the machine's moods meet each alike; and the periods, closed now."""
        count = self.options.held_workspaces
        sets = {
            records: make_month(
                label=f"Held {records}",
                workspaces=count,
                records=records,
                first=self.first,
                now=self.now,
            )
            for records in counts
        }
        seconds: dict[int, list[float]] = {records: [] for records in counts}
        python: dict[int, float] = dict.fromkeys(counts, 0.0)
        postgres: dict[int, float] = dict.fromkeys(counts, 0.0)
        rounds, repeats = 12, 5
        for _ in range(rounds):
            for records, period_ids in sets.items():
                server, here = postgres_cpu_seconds(self.postmaster), time.process_time()
                for _ in range(repeats):
                    began = time.perf_counter()
                    with transaction.atomic():
                        close_chunk(period_ids=period_ids, now=self.now)
                        transaction.set_rollback(True)
                    seconds[records].append(time.perf_counter() - began)
                python[records] += time.process_time() - here
                postgres[records] += postgres_cpu_seconds(self.postmaster) - server
        closes = rounds * repeats * count
        held = [
            Held(
                records_each=records,
                workspaces=count,
                median_ms=1000 * statistics.median(seconds[records]) / count,
                python_ms=1000 * python[records] / closes,
                postgres_ms=1000 * postgres[records] / closes,
            )
            for records in counts
        ]
        for each in held:
            print(
                f"close of {each.workspaces} workspaces of {each.records_each:,} records:"
                f" {each.median_ms:.2f} ms a workspace ({each.python_ms:.2f} Python,"
                f" {each.postgres_ms:.2f} PostgreSQL),"
                f" {each.median_ms / held[0].median_ms:.2f} of the first",
                flush=True,
            )
        # Closed for good, so that the ledger can be checked as a whole.
        finalize_due_periods(now=self.now)
        return held, [period for periods in sets.values() for period in periods]

    def _seals(self, period_ids: list[UUID]) -> list[Sealing]:
        seals = measure_sealing(period_ids=period_ids, now=self.now)
        for each in seals:
            print(
                f"seal of {each.records:,} records: {each.seal_seconds:.2f} s, verified in"
                f" {each.verify_seconds:.2f} s, {each.findings} findings",
                flush=True,
            )
        return seals

    def _syncs(self, invoices: int) -> list[Syncing]:
        found = measure_sync(invoices=invoices, now=self.now)
        for each in found:
            pace = f"{each.limit} requests/s" if each.limit else "no limit"
            print(
                f"sync, {pace}: {each.invoices} invoices in {each.seconds:.1f} s:"
                f" {each.rate:.1f} invoices/s, {each.requests_each:.1f} requests an invoice,"
                f" {each.requests_per_second:.1f} requests/s;"
                f" CPU an invoice {each.python_ms:.1f} ms; {each.unfinished} not finished",
                flush=True,
            )
        return found

    def _write(
        self,
        closings: list[MeasuredClose],
        held: list[Held],
        seals: list[Sealing],
        syncs: list[Syncing],
    ) -> None:
        results = Path(__file__).parent / "results"
        results.mkdir(exist_ok=True)
        path = results / f"close-{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%SZ}.json"
        found = {
            "closings": [asdict(each) for each in closings],
            "held": [asdict(each) for each in held],
            "seals": [asdict(each) for each in seals],
            "syncs": [asdict(each) for each in syncs],
        }
        path.write_text(json.dumps(found, indent=1))
        print(f"written to {path.relative_to(Path.cwd())}")


def _close_here(now: dt.datetime) -> dict[str, Any]:
    """Close what is due, and say what that cost this process."""
    connection.ensure_connection()
    process = psutil.Process()
    resident: list[int] = []
    began, cpu = time.time(), time.process_time()

    def watch(done: int, known: int) -> None:
        resident.append(process.memory_info().rss)

    summary = finalize_due_periods(now=now, progress=watch)
    for failure in summary.failed[:5]:
        print(failure, file=sys.stderr)
    return {
        "began": began,
        "ended": time.time(),
        "cpu": time.process_time() - cpu,
        "memory_first": resident[0] / 2**20 if resident else 0.0,
        "memory_peak": max(resident, default=0) / 2**20,
        "finalized": summary.finalized,
        "failed": len(summary.failed),
    }


if __name__ == "__main__":
    main()
