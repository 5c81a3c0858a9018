"""Measure ingest: `make bench`, or `python -m benchmarks.ingest --preload 0,1000000 --seconds 5`.

Every figure is taken from outside, over HTTP, beside bare COPY of rows of the same shape into a
table with the same columns, checks and indexes, in the same run: the machine's speed of the day
divides out. docs/performance.md explains how to read the table.
"""

import argparse
import datetime as dt
import json
import os
import random
import secrets
import statistics
import sys
import time
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

os.environ.setdefault("LOCAL_DIR", str(Path(".local/bench").resolve()))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
os.environ.setdefault("STRIPE_SECRET_KEY", "sk_test_bench")
os.environ.setdefault("LOG_LEVEL", "WARNING")
os.environ.setdefault("API_THROTTLE_PER_MINUTE", "100000000")
os.environ.setdefault("API_USAGE_THROTTLE_PER_MINUTE", "100000000")
Path(os.environ["LOCAL_DIR"]).mkdir(parents=True, exist_ok=True)

import django  # noqa: E402 - the environment comes first

django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from tqdm import tqdm  # noqa: E402

from benchmarks.load import Result, Running, request_bytes  # noqa: E402
from benchmarks.records import Bodies  # noqa: E402
from benchmarks.server import Web, postgres_cpu_seconds, running_web  # noqa: E402
from billing.services.builtins import ensure_builtins  # noqa: E402
from billing.services.keys import create_key  # noqa: E402
from billing.services.periods import open_period  # noqa: E402
from billing.services.workspaces import create_workspace  # noqa: E402
from usage.services.ledger import rebuild_rollups, usage_differences  # noqa: E402

WORKSPACES = 100


@dataclass
class Line:
    """One row of the table. `rate` is records (or requests) a second."""

    work: str
    size: int
    concurrency: int
    preloaded: int
    rate: float
    of_copy: float | None
    p50_ms: float
    p95_ms: float
    p99_ms: float
    web_cpu: float
    postgres_cpu: float
    client_cpu: float
    failures: int


class Bench:
    def __init__(self, *, seconds: float, quick: bool) -> None:
        self.seconds = seconds
        self.quick = quick
        self.lines: list[Line] = []
        self.copy_rates: list[float] = []
        self.now = dt.datetime.now(dt.UTC)
        ensure_builtins()
        self.workspaces = [self._workspace(number) for number in range(WORKSPACES)]
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
        open_period(workspace_id=workspace.pk, at=self.now, now=self.now)
        return str(workspace.pk)

    def copy(self) -> float:
        """Bare COPY of finished rows into a table like usage records; records a second."""
        rows, batch = 60_000, 10_000
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE IF EXISTS bench_copy")
            cursor.execute("CREATE TABLE bench_copy (LIKE usage_usagerecord INCLUDING ALL)")
            columns = (
                "id, workspace_id, billing_period_id, call_id, occurred_at, created_at,"
                " usage_date, late, idempotency_key, resource_type, provider, quantity,"
                " unit_cost, total_cost, markup_percentage, final_cost"
            )
            rng = random.Random(11)  # noqa: S311 - test data
            chunks = ["".join(self._row(rng) for _ in range(batch)) for _ in range(rows // batch)]
            began = time.perf_counter()
            for chunk in chunks:
                with cursor.copy(f"COPY bench_copy ({columns}) FROM STDIN") as copy:
                    copy.write(chunk)
            rate = rows / (time.perf_counter() - began)
            cursor.execute("DROP TABLE bench_copy")
        self.copy_rates.append(rate)
        return rate

    def _row(self, rng: random.Random) -> str:
        workspace = rng.choice(self.workspaces)
        at = (self.now - dt.timedelta(seconds=rng.randrange(3600))).isoformat()
        values = [
            uuid.UUID(int=rng.getrandbits(128)).hex,
            workspace,
            workspace,
            uuid.UUID(int=rng.getrandbits(128)).hex,
            at,
            at,
            at[:10],
            "f",
            f"{rng.getrandbits(32):08x}-{rng.randrange(10**9):010d}",
            "call_minutes",
            "twilio",
            f"{rng.randrange(1, 9_000_000) / 10_000:.4f}",
            "0.0085",
            f"{rng.random():.10f}",
            "20.0000",
            f"{rng.random():.10f}",
        ]
        return "\t".join(values) + "\n"

    def batch(self, web: Web, *, size: int, concurrency: int, preloaded: int, one: bool) -> None:
        workspaces = self.workspaces[:1] if one else self.workspaces
        count = max(8, int(self.seconds * 90_000 / size) + 1)
        bodies = Bodies(workspaces, size=size, count=min(count, max(1, 400_000 // size)))
        requests = [
            request_bytes(method="POST", path="/api/v1/usage/batch/", key=self.key, body=body)
            for body in bodies.for_run(secrets.token_hex(4))
        ]
        before = self.copy()
        measured = self._run(web, requests, concurrency, {200})
        copy = statistics.mean([before, self.copy()])
        self._note(
            "batch, one workspace" if one else "batch",
            size,
            concurrency,
            preloaded,
            measured,
            per_request=size,
            copy=copy,
        )

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

    def _run(
        self, web: Web, requests: list[bytes], concurrency: int, expect: set[int]
    ) -> tuple[Result, float, float]:
        web_cpu, postgres_cpu = web.cpu_seconds(), postgres_cpu_seconds(self.postmaster)
        result = Running(
            port=web.port,
            requests=requests,
            concurrency=concurrency,
            seconds=self.seconds,
            expect=expect,
        ).result()
        return (
            result,
            web.cpu_seconds() - web_cpu,
            postgres_cpu_seconds(self.postmaster) - postgres_cpu,
        )

    def _note(
        self,
        work: str,
        size: int,
        concurrency: int,
        preloaded: int,
        measured: tuple[Result, float, float],
        *,
        per_request: int,
        copy: float | None,
    ) -> None:
        result, web_cpu, postgres_cpu = measured
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
            web_cpu=web_cpu / result.seconds,
            postgres_cpu=postgres_cpu / result.seconds,
            client_cpu=result.cpu_seconds / result.seconds,
            failures=result.failures,
        )
        self.lines.append(line)
        print(_text(line), flush=True)
        if result.failures:
            print(f"  {result.failures} failures, the first: {result.first_failure}", flush=True)

    def preload(self, records: int) -> None:
        """Fill the current periods up to so many records in all, and their rollups."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM usage_usagerecord")
            missing = records - cursor.fetchone()[0]
            step = 250_000
            for _ in tqdm(range(max(0, -(-missing // step))), desc="preload", unit="x250k"):
                cursor.execute(_PRELOAD, [secrets.token_hex(4), step])
            if missing > 0:
                cursor.execute("ANALYZE usage_usagerecord")
        if missing > 0:
            rebuild_rollups()

    def bytes_per_record(self) -> tuple[float, float]:
        """Heap and index bytes a record."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*), pg_table_size('usage_usagerecord'),"
                " pg_indexes_size('usage_usagerecord') FROM usage_usagerecord"
            )
            count, table, indexes = cursor.fetchone()
        return table / count, indexes / count


_PRELOAD = """
INSERT INTO usage_usagerecord (
    id, workspace_id, billing_period_id, call_id, occurred_at, created_at, usage_date, late,
    idempotency_key, resource_type, provider, quantity, unit_cost, total_cost, markup_percentage,
    final_cost)
SELECT gen_random_uuid(), period.workspace_id, period.id, gen_random_uuid(), made.at, now(),
       (made.at AT TIME ZONE 'Europe/Berlin')::date, false, %s || made.number,
       (ARRAY['call_minutes', 'transcription', 'synthesis', 'storage'])[1 + made.number %% 4],
       (ARRAY['twilio', 'deepgram', 'elevenlabs', 'aws'])[1 + made.number %% 4],
       3.25, 0.0125, 0.040625, 20, 0.04875
  FROM (SELECT number, date_trunc('month', now()) + interval '2 hours'
               + random() * (now() - date_trunc('month', now()) - interval '2 hours') AS at
          FROM generate_series(1, %s) AS number) AS made
  JOIN (SELECT id, workspace_id, row_number() OVER (ORDER BY id) - 1 AS place,
               count(*) OVER () AS periods
          FROM billing_billingperiod
         WHERE status = 'current' AND period_end > now() AND period_start <= now()) AS period
    ON period.place = made.number %% period.periods
"""
_HEAD = (
    f"{'work':<26}{'size':>6}{'conc':>5}{'held':>10}{'rate/s':>10}{'of COPY':>9}"
    f"{'p50 ms':>9}{'p95 ms':>9}{'p99 ms':>9}{'web':>6}{'pg':>6}{'client':>7}"
)


def _text(line: Line) -> str:
    share = f"{line.of_copy:.0%}" if line.of_copy is not None else ""
    return (
        f"{line.work:<26}{line.size:>6}{line.concurrency:>5}{line.preloaded:>10,}"
        f"{line.rate:>10,.0f}{share:>9}{line.p50_ms:>9.2f}{line.p95_ms:>9.2f}{line.p99_ms:>9.2f}"
        f"{line.web_cpu:>6.2f}{line.postgres_cpu:>6.2f}{line.client_cpu:>7.2f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.ingest")
    parser.add_argument("--preload", default="0,1000000", help="records held, e.g. 0,1000000")
    parser.add_argument("--seconds", type=float, default=5.0, help="at most, for each line")
    parser.add_argument("--quick", action="store_true", help="a few lines only")
    parser.add_argument("--only", default="", help="batch, single or admission")
    options = parser.parse_args()
    call_command("migrate", verbosity=0)
    bench = Bench(seconds=options.seconds, quick=options.quick)
    log = Path(os.environ["LOCAL_DIR"]) / "web.log"
    print(_HEAD)
    with running_web(log) as web:
        for held in [int(word) for word in options.preload.split(",")]:
            bench.preload(held)
            _measure(bench, web, held, options.only)
        memory = web.resident_bytes()
    heap, indexes = bench.bytes_per_record()
    differences = usage_differences()
    print(
        f"\nbare COPY: {statistics.mean(bench.copy_rates or [0]):,.0f} records/s on average;"
        f" on disk {heap:.0f} bytes a record and {indexes:.0f} of indexes;"
        f" web workers {memory / 2**20:.0f} MiB;"
        f" {len(differences)} differences between records and rollups"
    )
    print("web, pg, client: cores in use. A client near 1.00 would be the bottleneck.")
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    path = results / f"ingest-{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%SZ}.json"
    path.write_text(
        json.dumps(
            {
                "lines": [asdict(line) for line in bench.lines],
                "copy_rates": bench.copy_rates,
                "heap_bytes": heap,
                "index_bytes": indexes,
                "web_resident_bytes": memory,
            },
            indent=1,
        )
    )
    print(f"written to {path.relative_to(Path.cwd())}")
    if differences or any(line.failures for line in bench.lines):
        sys.exit(1)


def _measure(bench: Bench, web: Web, held: int, only: str) -> None:
    if only in ("", "batch"):
        for size in (1000, 10_000) if bench.quick else (100, 1000, 10_000):
            for concurrency in (2,) if bench.quick else (1, 2, 4):
                bench.batch(web, size=size, concurrency=concurrency, preloaded=held, one=False)
        bench.batch(web, size=1000, concurrency=4, preloaded=held, one=True)
    if only in ("", "single"):
        for concurrency in (1, 32) if bench.quick else (1, 8, 32):
            bench.single(web, concurrency=concurrency, preloaded=held)
    if only in ("", "admission"):
        bench.admission_under_load(web, preloaded=held)


if __name__ == "__main__":
    main()
