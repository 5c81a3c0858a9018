"""Bringing invoices into a Stripe sandbox of its own, at Stripe's pace and at full speed."""

import datetime as dt
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db import connection

from dev.stripe_sandbox.testing import SandboxProcess
from invoices.models import Invoice
from invoices.payments.services.stripe_client import configure_sdk
from invoices.payments.services.stripe_sync import sync_invoice

# As many as a worker of this size would sync at once.
_THREADS = 4
_PACED_SHARE = 5


@dataclass
class Syncing:
    """`limit` is in requests a second; CPU is this process's milliseconds an invoice."""

    limit: int  # 0: none
    invoices: int
    seconds: float
    rate: float
    requests_each: float
    requests_per_second: float
    python_ms: float
    unfinished: int


def measure_sync(*, invoices: int, now: dt.datetime) -> list[Syncing]:
    """Sync `invoices` at full speed, and a fifth as many at the pace that production keeps."""
    paced = max(1, invoices // _PACED_SHARE)
    drafts = list(
        Invoice.objects.filter(status=Invoice.Status.DRAFT)
        .order_by("number")
        .values_list("pk", flat=True)[: invoices + paced]
    )
    limit = settings.STRIPE_MAX_REQUESTS_PER_SECOND or 20
    with SandboxProcess(Path(os.environ["LOCAL_DIR"]) / "stripe-sandbox") as sandbox:
        sandbox.reset()
        settings.STRIPE_API_BASE = sandbox.url
        settings.STRIPE_SECRET_KEY = sandbox.key
        configure_sdk()
        return [
            _sync(sandbox, drafts[:paced], limit=limit, now=now),
            _sync(sandbox, drafts[paced:], limit=0, now=now),
        ]


def _sync(
    sandbox: SandboxProcess, invoice_ids: list[UUID], *, limit: int, now: dt.datetime
) -> Syncing:
    settings.STRIPE_MAX_REQUESTS_PER_SECOND = limit
    sandbox.clear_requests()
    began, cpu = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(_THREADS) as pool:
        done = list(pool.map(partial(_sync_one, now=now), invoice_ids))
    seconds = time.perf_counter() - began
    cpu = time.process_time() - cpu
    requests = sandbox.requests()
    return Syncing(
        limit=limit,
        invoices=len(invoice_ids),
        seconds=seconds,
        rate=len(invoice_ids) / seconds,
        requests_each=len(requests) / max(1, len(invoice_ids)),
        requests_per_second=len(requests) / seconds,
        python_ms=1000 * cpu / max(1, len(invoice_ids)),
        unfinished=done.count(False),
    )


def _sync_one(invoice_id: UUID, *, now: dt.datetime) -> bool:
    try:
        return sync_invoice(invoice_id=invoice_id, now=now).done
    finally:
        connection.close()
