"""The close of the same months with tax and without, in turns and rolled back each time."""

import datetime as dt
import statistics
import time
from dataclasses import dataclass

from django.db import transaction

from billing.models import Workspace
from billing.services.tax_rates import add_registration, ensure_tax_rates
from dev.benchmarks.months import make_month
from dev.benchmarks.server import postgres_cpu_seconds
from invoices.services.closing.chunk import close_chunk

_ROUNDS = 12
_RECORDS = 50


@dataclass
class TaxedClose:
    """Milliseconds a workspace: by the clock, and CPU."""

    taxed: bool
    workspaces: int
    median_ms: float
    python_ms: float
    postgres_ms: float

    @property
    def cpu_ms(self) -> float:
        return self.python_ms + self.postgres_ms


def measure_taxed(
    *, workspaces: int, first: dt.date, now: dt.datetime, postmaster: int
) -> list[TaxedClose]:
    """Without tax, and with German VAT on every invoice. The months stay open."""
    ensure_tax_rates()
    period_ids = make_month(
        label="Taxed", workspaces=workspaces, records=_RECORDS, first=first, now=now
    )
    Workspace.objects.filter(periods__in=period_ids).update(address_country="DE")
    seconds: dict[bool, list[float]] = {False: [], True: []}
    python, postgres = {False: 0.0, True: 0.0}, {False: 0.0, True: 0.0}
    for _ in range(_ROUNDS):
        for taxed in (False, True):
            with transaction.atomic():
                if taxed:
                    add_registration(
                        country="DE",
                        number="DE136695976",
                        starts_on=first,
                        is_home=True,
                        now=now,
                    )
                server, here = postgres_cpu_seconds(postmaster), time.process_time()
                began = time.perf_counter()
                close_chunk(period_ids=period_ids, now=now)
                seconds[taxed].append(time.perf_counter() - began)
                python[taxed] += time.process_time() - here
                postgres[taxed] += postgres_cpu_seconds(postmaster) - server
                transaction.set_rollback(True)
    closes = _ROUNDS * workspaces
    found = [
        TaxedClose(
            taxed=taxed,
            workspaces=workspaces,
            median_ms=1000 * statistics.median(seconds[taxed]) / workspaces,
            python_ms=1000 * python[taxed] / closes,
            postgres_ms=1000 * postgres[taxed] / closes,
        )
        for taxed in (False, True)
    ]
    without, with_tax = found
    print(
        f"close of {workspaces} workspaces with tax: {with_tax.median_ms:.2f} ms a workspace"
        f" ({with_tax.python_ms:.2f} Python, {with_tax.postgres_ms:.2f} PostgreSQL); without:"
        f" {without.median_ms:.2f} ({without.python_ms:.2f}, {without.postgres_ms:.2f}); the rate"
        f" is {100 * without.median_ms / with_tax.median_ms:.0f} % of that without by the clock,"
        f" {100 * without.cpu_ms / with_tax.cpu_ms:.0f} % by CPU",
        flush=True,
    )
    return found
