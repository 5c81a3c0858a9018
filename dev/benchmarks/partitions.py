"""Measure one table of usage records against partitions, or against Citus, turn by turn.

`python -m dev.benchmarks.partitions [--records 1000000] [--parts 16]`. Two databases hold the same
records of the same workspaces; batches are written into them in this process, in turns, so that
whatever else the machine is doing hits both. Beside the rate stands the processor time a record, of
this process and of its PostgreSQL backend: that hardly depends on what else goes on.

With `--distributed NAME` the second is that database of the server that `BENCH_DATABASE_URL`
names, a coordinator of Citus: empty, with the extension, and with workers. Its workers' processor
time is in no column; the rate says what they cost.
"""

import argparse
import datetime as dt
import os
import secrets
import time
import uuid
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from dev.benchmarks.environment import begin

begin(".local/bench", LOG_LEVEL="WARNING")

from django.db import connection  # noqa: E402

from billing.services.builtins import ensure_builtins  # noqa: E402
from billing.services.periods import open_period  # noqa: E402
from billing.services.workspaces import create_workspace  # noqa: E402
from dev.benchmarks.holding import bytes_per_record, hold, prove  # noqa: E402
from dev.benchmarks.records import Bodies  # noqa: E402
from dev.migrate import migrate  # noqa: E402
from usage.services.distribution import (  # noqa: E402
    distribute_records,
    records_are_distributed,
)
from usage.services.ingest import check_entries, record_usage  # noqa: E402
from usage.services.ingest.parsing import usage_parser  # noqa: E402
from usage.services.partitioning import partition_records  # noqa: E402

WORKSPACES = 200
BATCH = 1_000


class Turn(NamedTuple):
    records: int
    seconds: float
    python_seconds: float
    postgres_seconds: float


def enter(database: str) -> None:
    connection.close()
    # Connections are kept by the alias, whatever its database is called by now.
    connection.close_pool()  # type: ignore[attr-defined]
    connection.settings_dict["NAME"] = database


def make_empty(database: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {database}")
        cursor.execute(f"CREATE DATABASE {database}")


def fill(database: str, *, records: int, divide: Callable[[], object]) -> list[str]:
    """Put so many records of 200 workspaces into it; those, in the order they were made."""
    enter(database)
    migrate()
    ensure_builtins()
    now = dt.datetime.now(dt.UTC)
    made = []
    for number in range(WORKSPACES):
        workspace, _ = create_workspace(
            workspace_id=uuid.uuid5(uuid.NAMESPACE_DNS, f"bench-{number}"),
            name=f"Bench {number}",
            owner_email=f"owner{number}@bench.test",
            tier="starter",
            currency="USD",
            timezone="Europe/Berlin",
            now=now,
        )
        open_period(workspace_id=workspace.pk, at=now, now=now)
        made.append(str(workspace.pk))
    divide()
    # A process asks once, and this one goes from database to database.
    records_are_distributed.cache_clear()
    hold(records)
    return made


def write(workspaces: list[str], *, batches: int) -> Turn:
    bodies = Bodies(workspaces, size=BATCH, count=batches).for_run(secrets.token_hex(4))
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        backend = Path(f"/proc/{cursor.fetchone()[0]}/stat")
    postgres, python, began = _cpu(backend), time.process_time(), time.perf_counter()
    for body in bodies:
        now = dt.datetime.now(dt.UTC)
        records, errors = check_entries(usage_parser.json(body), now=now)
        recorded = record_usage(records, now=now)
        if errors or recorded.accepted != BATCH:
            raise RuntimeError(f"{recorded.accepted} of {BATCH} were new: {recorded.errors[:1]}")
    return Turn(
        batches * BATCH,
        time.perf_counter() - began,
        time.process_time() - python,
        _cpu(backend) - postgres,
    )


def _cpu(stat: Path) -> float:
    fields = stat.read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(prog="dev.benchmarks.partitions")
    parser.add_argument("--records", type=int, default=1_000_000, help="held before it begins")
    parser.add_argument("--parts", type=int, default=16)
    parser.add_argument("--distributed", metavar="NAME", help="a database of Citus, in their place")
    parser.add_argument("--shards", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batches", type=int, default=40, help="of 1,000, in each turn")
    options = parser.parse_args()
    home = connection.settings_dict["NAME"]
    databases: dict[str, tuple[str, Callable[[], object]]] = {
        "one table": ("bench_one", lambda: None)
    }
    if options.distributed:
        distribute = partial(distribute_records, shards=options.shards)
        databases["distributed"] = (options.distributed, distribute)
    else:
        partition = partial(partition_records, parts=options.parts)
        databases[f"{options.parts} parts"] = ("bench_parts", partition)
    workspaces: list[str] = []
    for database, divide in databases.values():
        enter(home)
        if database != options.distributed:
            make_empty(database)
        workspaces = fill(database, records=options.records, divide=divide)
    turns: dict[tuple[str, int], list[Turn]] = defaultdict(list)
    for _ in range(options.rounds):
        for spread in (1, 20, WORKSPACES):
            for name, (database, _) in databases.items():
                enter(database)
                records_are_distributed.cache_clear()
                write(workspaces[:spread], batches=3)
                turns[name, spread].append(write(workspaces[:spread], batches=options.batches))
    print(f"{'table':<12}{'workspaces':>11}{'rate/s':>10}{'python us':>11}{'pg us':>8}")
    for (name, spread), each in turns.items():
        records = sum(turn.records for turn in each)
        print(
            f"{name:<12}{spread:>11}{records / sum(turn.seconds for turn in each):>10,.0f}"
            f"{sum(turn.python_seconds for turn in each) / records * 1e6:>11.1f}"
            f"{sum(turn.postgres_seconds for turn in each) / records * 1e6:>8.1f}"
        )
    for name, (database, _) in databases.items():
        enter(database)
        heap, indexes = bytes_per_record()
        proof = prove()
        print(
            f"{name}: {proof.records:,} records of {heap:.0f} bytes and {indexes:.0f} in indexes,"
            f" {proof.differences} differences"
        )


if __name__ == "__main__":
    main()
