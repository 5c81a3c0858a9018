"""Usage records distributed over several servers by Citus: whether they are, and how they come to.

Only that table is ever distributed: periods, counters, rollups, limits, invoices stay on the
coordinator, and nothing but a look at records themselves reads one.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from django.db import connection, transaction

from usage.services.partitioning import (
    TABLE,
    is_distributed,
    partitioning_has_begun,
    partitions,
)

_MIN_WORKER_PROCESSES = 32


class CannotDistribute(Exception):
    """What is missing before records can be distributed; each in a line of its own."""


@lru_cache(maxsize=1)
def records_are_distributed() -> bool:
    """Asked of the database once in a process: restart the others after `distribute_records`."""
    return is_distributed()


def distribute_records(*, shards: int) -> bool:
    """Distribute the table by workspace; False when it is already.

    Triggers on a distributed table run on its shards, on other servers than the periods: the guard
    that keeps raw SQL out of closed periods cannot follow there and is left out. The application's
    own writes are guarded by the counters, which stay. Those against UPDATE, DELETE and TRUNCATE
    are made again. Raises `CannotDistribute`.
    """
    if faults := list(missing()):
        raise CannotDistribute("\n".join(faults))
    if is_distributed():
        return False
    with transaction.atomic(), connection.cursor() as cursor:
        triggers = _triggers()
        for name, _ in triggers:
            cursor.execute(f"DROP TRIGGER {name} ON {TABLE}")
        cursor.execute("SET LOCAL citus.multi_shard_modify_mode = 'sequential'")
        cursor.execute(
            "SELECT create_distributed_table(%s, 'workspace_id', shard_count := %s)",
            [TABLE, shards],
        )
        cursor.execute("SET LOCAL citus.enable_unsafe_triggers = on")
        for name, made in triggers:
            if name in _SAFE_TRIGGERS:
                cursor.execute(made)
        role = connection.ops.quote_name(str(_value("SELECT current_user")))
        # One connection a worker and statement: a batch of a thousand rows is not worth sixteen.
        cursor.execute(f"ALTER ROLE {role} SET citus.multi_shard_modify_mode = 'sequential'")
        cursor.execute(f"ALTER ROLE {role} SET citus.max_adaptive_executor_pool_size = 1")
        cursor.execute(f"ALTER ROLE {role} SET citus.enable_unsafe_triggers = on")
    records_are_distributed.cache_clear()
    return True


_SAFE_TRIGGERS = ("usage_records_are_append_only", "usage_records_are_not_truncated")


def missing() -> Iterator[str]:
    """What keeps the records from being distributed here, in words; nothing when nothing does."""
    if partitions():
        yield f"{TABLE} is partitioned: distributing divides it by itself, start from one table."
    if partitioning_has_begun():
        yield "partition_records has begun: let it end, or give it up with --forget."
    if not _value("SELECT count(*) FROM pg_extension WHERE extname = 'citus'"):
        if not _value("SELECT count(*) FROM pg_available_extensions WHERE name = 'citus'"):
            yield "The extension citus is not installed on this server."
        else:
            yield "The extension is there and not created: CREATE EXTENSION citus, as superuser."
        return
    if not _value("SELECT count(*) FROM citus_get_active_worker_nodes()"):
        yield "There is no worker: SELECT citus_add_node('host', 5432)."
    if (processes := int(_value("SHOW max_worker_processes"))) < _MIN_WORKER_PROCESSES:
        yield f"max_worker_processes is {processes}: at least {_MIN_WORKER_PROCESSES}."
    if (prepared := int(_value("SHOW max_prepared_transactions"))) < int(
        _value("SHOW max_connections")
    ):
        yield f"max_prepared_transactions is {prepared}: at least max_connections."


def _triggers() -> list[tuple[str, str]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgname, pg_get_triggerdef(oid, true) FROM pg_trigger"
            " WHERE tgrelid = %s::regclass AND NOT tgisinternal ORDER BY tgname",
            [TABLE],
        )
        return cursor.fetchall()


def _value(statement: str, values: list[Any] | None = None) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchone()[0]
