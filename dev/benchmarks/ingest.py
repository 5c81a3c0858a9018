"""Measure ingest: `make bench`, or `python -m dev.benchmarks.ingest`.

Every figure is taken from outside, over HTTP, beside bare COPY of rows of the same shape into a
table with the same columns, checks and indexes, in the same run: the machine's speed of the day
divides out. docs/performance.md explains how to read the table.
"""

import argparse
import datetime as dt
import itertools
import json
import os
import secrets
import statistics
import sys
import time
import uuid
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from dev.benchmarks.environment import begin

begin(
    ".local/bench",
    LOG_LEVEL="WARNING",
    API_THROTTLE_PER_MINUTE="100000000",
    API_USAGE_THROTTLE_PER_MINUTE="100000000",
)

import psutil  # noqa: E402
from django.db import connection  # noqa: E402

from billing.services.builtins import ensure_builtins  # noqa: E402
from billing.services.keys import create_key  # noqa: E402
from billing.services.periods import open_period  # noqa: E402
from billing.services.workspaces import create_workspace, update_billing_settings  # noqa: E402
from dev.benchmarks.cards import pay_by_card  # noqa: E402
from dev.benchmarks.floor import copy_rate  # noqa: E402
from dev.benchmarks.holding import bytes_per_record, hold, prove  # noqa: E402
from dev.benchmarks.load import Result, Running, request_bytes  # noqa: E402
from dev.benchmarks.records import KINDS, MANY_KINDS, Bodies  # noqa: E402
from dev.benchmarks.server import Web, postgres_cpu_seconds, running_web  # noqa: E402
from dev.benchmarks.table import HEAD, Line  # noqa: E402
from dev.migrate import migrate  # noqa: E402
from usage.models import VoiceAgent  # noqa: E402

WORKSPACES = 100
SCATTERED_WORKSPACES = 200
AGENTS = 5


class Measured(NamedTuple):
    """Seconds of CPU; `stolen` is a share of all cores' time."""

    result: Result
    web_seconds: float
    postgres_seconds: float
    stolen: float


class IngestBenchmark:
    def __init__(self, *, seconds: float, quick: bool) -> None:
        self.seconds = seconds
        self.quick = quick
        self.lines: list[Line] = []
        self.copy_rates: list[float] = []
        self.now = dt.datetime.now(dt.UTC)
        ensure_builtins()
        self.many_workspaces = [self._workspace(number) for number in range(SCATTERED_WORKSPACES)]
        self.workspaces = self.many_workspaces[:WORKSPACES]
        self.agents = {workspace: self._agents(workspace) for workspace in self.workspaces}
        self.key = create_key(name="bench", scopes=["usage:write", "usage:read"], now=self.now)[1]
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            backend = cursor.fetchone()[0]
            cursor.execute("SHOW data_directory")
        self.postmaster = int(
            Path(f"/proc/{backend}/stat").read_text().rsplit(")", 1)[1].split()[1]
        )

    def _workspace(self, number: int) -> str:
        workspace, _ = create_workspace(
            workspace_id=uuid.uuid5(uuid.NAMESPACE_DNS, f"bench-{number}"),
            name=f"Bench {number}",
            owner_email=f"owner{number}@bench.test",
            tier="starter",
            currency="USD",
            timezone="Europe/Berlin",
            now=self.now,
        )
        # Far away: what is measured is the usual case, where nothing is reached.
        update_billing_settings(
            workspace_id=workspace.pk,
            changes={"usage_limit_monthly": Decimal(10) ** 13},
            now=self.now,
        )
        open_period(workspace_id=workspace.pk, at=self.now, now=self.now)
        return str(workspace.pk)

    @staticmethod
    def _agents(workspace: str) -> list[str]:
        owner = uuid.UUID(workspace)
        VoiceAgent.objects.bulk_create(
            [
                VoiceAgent(
                    id=uuid.uuid5(owner, f"agent {number}"),
                    workspace_id=owner,
                    name=f"Agent {number}",
                )
                for number in range(AGENTS)
            ],
            ignore_conflicts=True,
        )
        return [str(uuid.uuid5(owner, f"agent {number}")) for number in range(AGENTS)]

    def copy(self, *, connections: int = 1) -> float:
        rate = copy_rate(self.workspaces, self.now, connections=connections)
        if connections == 1:
            self.copy_rates.append(rate)
        return rate

    def warm_up(self, web: Web) -> None:
        """Bring back what filling and restarting have synced out of memory; nothing is measured.

        Just after a checkpoint each page is also written to the log whole when it is first
        touched, which is over once every page of the indexes has been.
        """
        bodies = Bodies(self.workspaces, size=1000, count=100)
        load = (
            request_bytes(method="POST", path="/api/v1/usage/batch/", key=self.key, body=body)
            for _ in itertools.count()
            for body in bodies.for_run(secrets.token_hex(4))
        )
        Running(
            port=web.port, requests=load, concurrency=4, seconds=2 * self.seconds, expect={200}
        ).result()

    def batch(
        self, web: Web, *, size: int, concurrency: int, preloaded: int, work: str = "batch"
    ) -> None:
        workspaces, kinds, agents = self.workspaces, KINDS, None
        if work == "batch, one workspace":
            workspaces = workspaces[:1]
        elif work == "batch, scattered":
            workspaces, kinds = self.many_workspaces, MANY_KINDS
        elif work == "batch, by agent":
            agents = self.agents
        count = max(8, int(self.seconds * 90_000 / size) + 1)
        count = min(count, max(1, 400_000 // size))
        bodies = Bodies(workspaces, size=size, count=count, kinds=kinds, agents=agents)
        requests = [
            request_bytes(method="POST", path="/api/v1/usage/batch/", key=self.key, body=body)
            for body in bodies.for_run(secrets.token_hex(4))
        ]
        before = self.copy()
        measured = self._run(web, requests, concurrency, {200})
        copy = statistics.mean([before, self.copy()])
        self._note(work, size, concurrency, preloaded, measured, per_request=size, copy=copy)

    def single(self, web: Web, *, concurrency: int, preloaded: int) -> None:
        bodies = Bodies(self.workspaces, size=1000, count=max(4, int(self.seconds * 4)))
        requests = [
            request_bytes(method="POST", path="/api/v1/usage/", key=self.key, body=body)
            for body in bodies.single_records(secrets.token_hex(4))
        ]
        measured = self._run(web, requests, concurrency, {201})
        self._note("single", 1, concurrency, preloaded, measured, per_request=1, copy=None)

    def admission_under_load(self, web: Web, *, preloaded: int) -> None:
        bodies = Bodies(self.workspaces, size=1000, count=min(400, int(self.seconds * 80)))
        load = [
            request_bytes(method="POST", path="/api/v1/usage/batch/", key=self.key, body=body)
            for body in bodies.for_run(secrets.token_hex(4))
        ]
        asks = [
            request_bytes(
                method="GET", path=f"/api/v1/workspaces/{workspace}/admission/", key=self.key
            )
            for workspace in self.workspaces
        ] * 400
        background = Running(
            port=web.port,
            requests=load,
            concurrency=2,
            seconds=self.seconds + 1,
            expect={200},
        )
        measured = self._run(web, asks, 8, {200})
        background.result()
        self._note("admission during batches", 1, 8, preloaded, measured, per_request=1, copy=None)

    def memory(self, web: Web, *, seconds: float) -> list[int]:
        """Of the web processes, each second under batches and single records, in bytes."""
        bodies = Bodies(self.workspaces, size=1000, count=50)
        batches = (
            request_bytes(method="POST", path="/api/v1/usage/batch/", key=self.key, body=body)
            for _ in itertools.count()
            for body in bodies.for_run(secrets.token_hex(4))
        )
        singles = (
            request_bytes(method="POST", path="/api/v1/usage/", key=self.key, body=body)
            for _ in itertools.count()
            for body in bodies.single_records(secrets.token_hex(4))
        )
        loads = [
            Running(
                port=web.port, requests=each, concurrency=many, seconds=seconds, expect={200, 201}
            )
            for each, many in ((batches, 2), (singles, 8))
        ]
        samples = []
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            time.sleep(1)
            samples.append(web.memory_bytes())
        failures = [load.result().first_failure for load in loads]
        if any(failures):
            raise RuntimeError(f"a request failed: {failures}")
        return samples

    def _run(self, web: Web, requests: list[bytes], concurrency: int, expect: set[int]) -> Measured:
        web_cpu, postgres_cpu = web.cpu_seconds(), postgres_cpu_seconds(self.postmaster)
        before = psutil.cpu_times()
        result = Running(
            port=web.port,
            requests=requests,
            concurrency=concurrency,
            seconds=self.seconds,
            expect=expect,
        ).result()
        after = psutil.cpu_times()
        return Measured(
            result,
            web.cpu_seconds() - web_cpu,
            postgres_cpu_seconds(self.postmaster) - postgres_cpu,
            # Not every system says.
            (getattr(after, "steal", 0) - getattr(before, "steal", 0)) / (sum(after) - sum(before)),
        )

    def _note(
        self,
        work: str,
        size: int,
        concurrency: int,
        preloaded: int,
        measured: Measured,
        *,
        per_request: int,
        copy: float | None,
    ) -> None:
        result = measured.result
        rate = result.requests * per_request / result.seconds
        line = Line(
            work=work,
            size=size,
            concurrency=concurrency,
            preloaded=preloaded,
            rate=rate,
            of_copy=rate / copy if copy else None,
            p50_ms=result.percentile(50),
            p95_ms=result.percentile(95),
            p99_ms=result.percentile(99),
            web_cpu=measured.web_seconds / result.seconds,
            postgres_cpu=measured.postgres_seconds / result.seconds,
            client_cpu=result.cpu_seconds / result.seconds,
            stolen=measured.stolen,
            failures=result.failures,
        )
        self.lines.append(line)
        print(line, flush=True)
        if result.failures:
            print(f"  {result.failures} failures, the first: {result.first_failure}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="dev.benchmarks.ingest")
    parser.add_argument("--preload", default="0,1000000", help="records held, e.g. 0,1000000")
    parser.add_argument("--seconds", type=float, default=5.0, help="at most, for each line")
    parser.add_argument("--quick", action="store_true", help="a few lines only")
    parser.add_argument("--only", default="", choices=["", *_KINDS])
    parser.add_argument(
        "--rates", type=int, default=0, help="have everybody pay by a card of so many rates"
    )
    options = parser.parse_args()
    migrate()
    bench = IngestBenchmark(seconds=options.seconds, quick=options.quick)
    if options.rates:
        pay_by_card(rates=options.rates, tier="starter", currency="USD", now=bench.now)
    two_copies = bench.copy(connections=2)
    print(HEAD)
    memory: list[int] = []
    with running_web(Path(os.environ["LOCAL_DIR"]) / "web.log") as web:
        for held in [int(word) for word in options.preload.split(",")]:
            hold(held)
            bench.warm_up(web)
            _measure(bench, web, held, options.only)
        if options.only in ("", "memory"):
            memory = bench.memory(web, seconds=10 if options.quick else 60)
    heap, indexes = bytes_per_record()
    proof = prove()
    copies = statistics.mean(bench.copy_rates) if bench.copy_rates else bench.copy()
    print(
        f"\nbare COPY: {copies:,.0f} records/s on average, {two_copies:,.0f}/s by two at once;"
        f" on disk {heap:.0f} bytes a record and {indexes:.0f} of indexes"
    )
    if memory:
        mib = [each / 2**20 for each in memory]
        print(
            f"web processes, MiB over {len(mib)} s of load: {mib[0]:.0f} at first,"
            f" {mib[len(mib) // 2]:.0f} half way, {mib[-1]:.0f} at the end, {max(mib):.0f} at most"
        )
    print(
        f"{proof.records:,} records proved against their rollups in {proof.compare_seconds:.1f} s,"
        f" {proof.differences} differences; rollups rebuilt in {proof.rebuild_seconds:.1f} s"
    )
    print(
        "web, pg, client: cores in use. A client near 1.00 would be the bottleneck.\n"
        "us each: microseconds of CPU a record or request, web and pg together; stolen: share of\n"
        "the cores' time that the machine below gave to others meanwhile."
    )
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    path = results / f"ingest-{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%SZ}.json"
    path.write_text(
        json.dumps(
            {
                "lines": [asdict(line) for line in bench.lines],
                "copy_rates": bench.copy_rates,
                "two_copies_rate": two_copies,
                "heap_bytes": heap,
                "index_bytes": indexes,
                "web_memory_bytes": memory,
                "proof": asdict(proof),
            },
            indent=1,
        )
    )
    print(f"written to {path.relative_to(Path.cwd())}")
    if proof.differences or any(line.failures for line in bench.lines):
        sys.exit(1)


_KINDS = ("batch", "single", "admission", "memory")


def _measure(bench: IngestBenchmark, web: Web, held: int, only: str) -> None:
    if only in ("", "batch"):
        for size in (1000, 10_000) if bench.quick else (100, 1000, 10_000):
            for concurrency in (2,) if bench.quick else (1, 2, 4):
                bench.batch(web, size=size, concurrency=concurrency, preloaded=held)
        for work in ("batch, one workspace", "batch, scattered", "batch, by agent"):
            bench.batch(web, size=1000, concurrency=4, preloaded=held, work=work)
    if only in ("", "single"):
        for concurrency in (1, 32) if bench.quick else (1, 8, 32):
            bench.single(web, concurrency=concurrency, preloaded=held)
    if only in ("", "admission"):
        bench.admission_under_load(web, preloaded=held)


if __name__ == "__main__":
    main()
