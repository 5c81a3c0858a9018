"""What writing costs on this machine at this moment: bare COPY of finished rows.

Into a table with the same columns, checks and indexes as usage records, empty at first. It prices
nothing, looks for no key, counts nothing and checks no limit.
"""

import datetime as dt
import random
import threading
import time
import uuid
from collections.abc import Sequence

from django.db import connection

_BATCH = 10_000
_BATCHES = 6
_COPY = """
COPY bench_copy (
    id, workspace_id, billing_period_id, call_id, occurred_at, created_at, usage_date, late,
    idempotency_key, resource_type, provider, quantity, unit_cost, total_cost, markup_percentage,
    final_cost) FROM STDIN
"""


def copy_rate(workspaces: Sequence[str], now: dt.datetime, *, connections: int = 1) -> float:
    """Rows a second, 60,000 a connection."""
    rng = random.Random(11)  # noqa: S311 - test data
    chunks = [
        ["".join(_row(rng, workspaces, now) for _ in range(_BATCH)) for _ in range(_BATCHES)]
        for _ in range(connections)
    ]
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS bench_copy")
        cursor.execute("CREATE TABLE bench_copy (LIKE usage_usagerecord INCLUDING ALL)")
    threads = [threading.Thread(target=_copy, args=(mine,)) for mine in chunks]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rate = connections * _BATCH * _BATCHES / (time.perf_counter() - began)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM bench_copy")
        if cursor.fetchone()[0] != connections * _BATCH * _BATCHES:
            raise RuntimeError("COPY has lost rows")
        cursor.execute("DROP TABLE bench_copy")
    return rate


def _copy(chunks: Sequence[str]) -> None:
    try:
        with connection.cursor() as cursor:
            for chunk in chunks:
                with cursor.copy(_COPY) as copy:
                    copy.write(chunk)
    finally:
        connection.close()


def _row(rng: random.Random, workspaces: Sequence[str], now: dt.datetime) -> str:
    workspace = rng.choice(workspaces)
    at = (now - dt.timedelta(seconds=rng.randrange(3600))).isoformat()
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
