"""Measure the server's time of each page: `make bench-pages`, or `python -m dev.benchmarks.pages`.

In one process, by Django's own client, on a database that is filled once and kept below
`.local/bench-pages`. docs/performance.md explains how to read what is printed.
"""

import argparse
import datetime as dt
import json
import re
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dev.benchmarks.environment import begin

begin(".local/bench-pages", LOG_LEVEL="ERROR")

from django.conf import settings  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.test import Client  # noqa: E402
from django.urls import reverse  # noqa: E402

from billing.models import BillingPeriod, Workspace  # noqa: E402
from billing.services.builtins import ensure_builtins  # noqa: E402
from config.serving.collector import tune  # noqa: E402
from dev.benchmarks.history import LARGE, is_made, make_history, people  # noqa: E402
from dev.benchmarks.server import postgres_cpu_seconds, postmaster_pid  # noqa: E402
from dev.migrate import migrate  # noqa: E402
from invoices.models import Invoice  # noqa: E402
from usage.models import Call, UsageRecord  # noqa: E402

_ROUNDS = 3
_HEAD = (
    f"{'page':<24}{'queries':>8}{'p50 ms':>8}{'p95 ms':>8}{'Python':>8}{'PostgreSQL':>11}{'KB':>6}"
)


@dataclass
class MeasuredPage:
    name: str
    client: Client
    address: str


@dataclass
class PageFigures:
    """One page, the best of its rounds. Times are milliseconds; CPU is that of one request."""

    name: str
    address: str
    queries: int
    p50_ms: float
    p95_ms: float
    python_ms: float
    postgres_ms: float
    kilobytes: float

    def __str__(self) -> str:
        return (
            f"{self.name:<24}{self.queries:>8}{self.p50_ms:>8.1f}{self.p95_ms:>8.1f}"
            f"{self.python_ms:>8.1f}{self.postgres_ms:>11.1f}{self.kilobytes:>6.0f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="dev.benchmarks.pages")
    parser.add_argument("--records", type=lambda text: int(text, 0), default=10_000_000)
    parser.add_argument(
        "--of-one", type=lambda text: int(text, 0), default=3_000_000, help="of the workspace"
    )
    parser.add_argument("--workspaces", type=int, default=500)
    parser.add_argument("--requests", type=int, default=30, help="a page and round")
    parser.add_argument("--only", default="", help="pages with this in their name")
    parser.add_argument("--profile", action="store_true", help="also where Python's time goes")
    options = parser.parse_args()
    migrate()
    ensure_builtins()
    _collect_static_files()
    if not is_made():
        make_history(records=options.records, of_one=options.of_one, workspaces=options.workspaces)
    lines = measure(options)
    _write(lines)
    slow = [line.name for line in lines if line.p95_ms > 50]
    print(f"over 50 ms: {', '.join(slow) or 'none'}")
    sys.exit(0)


def measure(options: argparse.Namespace) -> list[PageFigures]:
    postmaster = postmaster_pid()
    print(f"{UsageRecord.objects.count():,} records, {Invoice.objects.count():,} invoices")
    print(_HEAD)
    found = []
    pages = _pages()
    tune()  # as a web process does before its first request
    for page in pages:
        if options.only in page.name:
            line = _measure(page, options.requests, postmaster)
            print(line, flush=True)
            found.append(line)
            if options.profile:
                _profile(page)
    return found


def _pages() -> list[MeasuredPage]:
    workspace = Workspace.objects.get(name=LARGE)
    owner, finance = people(workspace.pk)
    customer, staff = _signed_in(owner), _signed_in(finance)
    calls = Call.objects.filter(workspace=workspace)
    invoice = Invoice.objects.filter(workspace=workspace).latest("issued_at")
    item = invoice.items.first()
    period = BillingPeriod.objects.filter(workspace=workspace).latest("period_start")
    this_month = f"{period.period_start:%Y-%m-%d}"

    of_one = "admin:billing_workspace_change"

    def of(name: str, view: str, *args: Any, query: str = "") -> MeasuredPage:
        return MeasuredPage(name, customer, reverse(view, args=[workspace.pk, *args]) + query)

    def of_admin(name: str, view: str, *args: Any, query: str = "") -> MeasuredPage:
        return MeasuredPage(f"admin: {name}", staff, reverse(view, args=args) + query)

    return [
        of("overview", "analytics:dashboard"),
        of("spend", "analytics:spend"),
        of("compare", "analytics:compare"),
        of("usage", "usage:records"),
        of("usage, one type", "usage:records", query="?resource_type=synthesis"),
        of("calls", "usage:calls"),
        of("calls, dearest", "usage:calls", query=f"?day_from={this_month}&sort=-price"),
        of("receipt", "usage:receipt", calls.latest("started_at").pk),
        of("agents", "usage:agents"),
        of("invoices", "invoices:list"),
        of("upcoming invoice", "invoices:upcoming"),
        of("invoice", "invoices:detail", invoice.pk),
        *([of("invoice line", "invoices:item", invoice.pk, item.pk)] if item else []),
        of("statement", "payments:statement"),
        of_admin("home", "admin:index"),
        of_admin("periods", "admin:billing_billingperiod_changelist"),
        of_admin("period", "admin:billing_billingperiod_change", period.pk),
        of_admin("records", "admin:usage_usagerecord_changelist"),
        of_admin("calls", "admin:usage_call_changelist"),
        of_admin("invoices", "admin:invoices_invoice_changelist"),
        of_admin("invoice", "admin:invoices_invoice_change", invoice.pk),
        of_admin("workspaces", "admin:billing_workspace_changelist"),
        of_admin("workspace", of_one, workspace.pk),
        of_admin("its members", of_one, workspace.pk, query="?part=memberships"),
        of_admin("its invoices", of_one, workspace.pk, query="?part=invoices"),
        of_admin("customer", "finance:customer", workspace.pk),
        of_admin("month end", "finance:month_end"),
        of_admin("margins", "finance:costs"),
        of_admin("rollups", "admin:usage_usagerollup_changelist"),
    ]


def _signed_in(user: Any) -> Client:
    client = Client(headers={"host": "localhost", "accept-encoding": "gzip"})
    client.force_login(user)
    return client


def _measure(page: MeasuredPage, requests: int, postmaster: int) -> PageFigures:
    queries = 0

    def count(execute: Callable[..., Any], *args: Any) -> Any:
        nonlocal queries
        queries += 1
        return execute(*args)

    _ask(page)  # what a process does once
    with ExitStack() as stack:
        stack.enter_context(connection.execute_wrapper(count))
        size = _ask(page)
    rounds = []
    for _ in range(_ROUNDS):
        times = []
        python, postgres = time.process_time(), postgres_cpu_seconds(postmaster)
        for _ in range(requests):
            began = time.perf_counter()
            _ask(page)
            times.append(1000 * (time.perf_counter() - began))
        python = 1000 * (time.process_time() - python) / requests
        postgres = 1000 * (postgres_cpu_seconds(postmaster) - postgres) / requests
        times.sort()
        rounds.append((times[int(len(times) * 0.95)], times[len(times) // 2], python, postgres))
    p95, p50, python, postgres = (min(each) for each in zip(*rounds, strict=True))
    return PageFigures(page.name, page.address, queries, p50, p95, python, postgres, size / 1024)


def _ask(page: MeasuredPage) -> int:
    response = page.client.get(page.address)
    if response.status_code != 200:
        raise RuntimeError(f"{page.address} answered {response.status_code}")
    return len(response.content)


def _profile(page: MeasuredPage) -> None:
    import cProfile  # noqa: PLC0415 - only where it is asked for
    import pstats  # noqa: PLC0415

    slow: list[tuple[float, str]] = []

    def watch(execute: Callable[..., Any], sql: str, *args: Any) -> Any:
        began = time.perf_counter()
        try:
            return execute(sql, *args)
        finally:
            slow.append((1000 * (time.perf_counter() - began), re.sub(r"\s+", " ", sql)[:300]))

    with connection.execute_wrapper(watch):
        _ask(page)
    for milliseconds, sql in sorted(slow, reverse=True)[:6]:
        print(f"    {milliseconds:6.1f} ms  {sql}")
    profile = cProfile.Profile()
    profile.runcall(_ask, page)
    pstats.Stats(profile).sort_stats("cumulative").print_stats(45)


def _collect_static_files() -> None:
    root = Path(settings.STATIC_ROOT)
    if not (root / "staticfiles.json").exists():
        call_command("collectstatic", interactive=False, verbosity=0)


def _write(lines: list[PageFigures]) -> None:
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    path = results / f"pages-{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%SZ}.json"
    path.write_text(json.dumps([asdict(line) for line in lines], indent=1))
    print(f"written to {path.relative_to(Path.cwd())}")


if __name__ == "__main__":
    main()
