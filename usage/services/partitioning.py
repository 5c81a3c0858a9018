"""Hash partitions of the usage records by workspace: an existing table, converted under load.

Records are only ever appended, which makes this simple: from one moment on, a trigger copies what
is inserted into the new table too, in the same transaction; what was there before is copied block
by block; when both hold the same, their names are exchanged. Whatever this is killed in, it is
started again and goes on; until the exchange, the present table is the one that counts.

Locks: ingest waits for a moment twice, when the trigger is made and when the names are exchanged.
Each waits a second at most for what it needs, lets everyone go on, and tries again.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import OperationalError, connection, transaction

from billing.errors import Conflict

# ruff: noqa: S608 - statements are made of these names
TABLE = "usage_usagerecord"
_NEW = f"{TABLE}_partitioned"
_OLD = f"{TABLE}_before"
_STATE = f"{TABLE}_copied"
_MIRROR = "usage_records_are_mirrored"
# Some 50,000 records: a second or two, and as much to do again after a crash.
_BLOCKS = 2_000
_TRIES = 60

# PostgreSQL takes these for partitions only.
_STORAGE = "autovacuum_vacuum_insert_scale_factor = 0.1, autovacuum_analyze_scale_factor = 0.1"

Progress = Callable[[int, int], None]


class CannotPartition(Conflict):
    """The table is not one that can be partitioned (again), or two runs are at it."""

    code = "cannot_partition"


def partitions() -> int:
    """How many partitions usage records have; 0 for one table."""
    return _parts_of(TABLE)


def is_distributed() -> bool:
    """Whether Citus has divided the table over servers."""
    if not _rows("SELECT count(*) FROM pg_extension WHERE extname = 'citus'")[0][0]:
        return False
    among = "SELECT count(*) FROM pg_dist_partition WHERE logicalrelid = %s::regclass"
    return bool(_rows(among, [TABLE])[0][0])


def partitioning_has_begun() -> bool:
    """Whether a run was begun that is neither ended nor given up."""
    return bool(_rows("SELECT to_regclass(%s) IS NOT NULL", [_STATE])[0][0])


def partition_records(
    *, parts: int, progress: Progress | None = None, keep_old: bool = False
) -> bool:
    """Divide the table into `parts` partitions; False when it has them already.

    `progress` is called with (blocks copied, blocks to copy). With `keep_old` the table as it was
    stays, as `usage_usagerecord_before`, for whoever wants to look before dropping it.
    """
    if not 2 <= parts <= 1024:
        raise CannotPartition("Between 2 and 1024 partitions.")
    if is_distributed():
        raise CannotPartition(f"{TABLE} is distributed by Citus, which divides it by itself.")
    with _alone():
        if (there := partitions()) == parts:
            _drop_old(keep_old)
            return False
        if there:
            raise CannotPartition(f"{TABLE} has {there} partitions already.")
        if partitioning_has_begun():
            if (begun := _parts_of(_NEW)) != parts:
                raise CannotPartition(f"A run with {begun} partitions has begun: go on with that.")
        else:
            _briefly_locked(lambda: _prepare(parts))
        _copy(progress)
        _prove()
        _briefly_locked(_exchange)
        _drop_old(keep_old)
    return True


def forget_partitioning() -> bool:
    """Give up a run that has begun: the table stays as it is. Whether there was one."""
    with _alone():
        if not partitioning_has_begun():
            return False

        def forget() -> None:
            _execute(f"DROP TRIGGER {_MIRROR} ON {TABLE}")
            _execute(f"DROP FUNCTION {_MIRROR}()")
            _execute(f"DROP TABLE {_NEW}, {_STATE}")

        _briefly_locked(forget)
        return True


@contextmanager
def _alone() -> Iterator[None]:
    key = "hashtext('partition usage records')"
    if not _rows(f"SELECT pg_try_advisory_lock({key})")[0][0]:
        raise CannotPartition("Another run is at it.")
    try:
        yield
    finally:
        _rows(f"SELECT pg_advisory_unlock({key})")


def _briefly_locked(step: Callable[[], None]) -> None:
    for attempt in range(1, _TRIES + 1):
        try:
            with transaction.atomic():
                _execute("SET LOCAL lock_timeout = '1s'")
                step()
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", "") != "55P03" or attempt == _TRIES:
                raise
            # Those who queued behind this go first.
            time.sleep(min(attempt, 10))
        else:
            return


def _parts_of(table: str) -> int:
    return _rows("SELECT count(*) FROM pg_inherits WHERE inhparent = %s::regclass", [table])[0][0]


def _prepare(parts: int) -> None:
    """The new table with everything but its triggers, and the copying of what is to come."""
    _execute(f"DROP TABLE IF EXISTS {_NEW}")
    _execute(f"CREATE TABLE {_NEW} (LIKE {TABLE} INCLUDING ALL) PARTITION BY HASH (workspace_id)")
    width = len(str(parts - 1))
    for part in range(parts):
        _execute(
            f"CREATE TABLE {TABLE}_p{part:0{width}d} PARTITION OF {_NEW}"
            f" FOR VALUES WITH (MODULUS {parts}, REMAINDER {part}) WITH ({_STORAGE})"
        )
    for grantee, privilege in _rows(
        "SELECT grantee, privilege_type FROM information_schema.role_table_grants"
        " WHERE table_schema = current_schema() AND table_name = %s AND grantee <> grantor",
        [TABLE],
    ):
        who = "PUBLIC" if grantee == "PUBLIC" else connection.ops.quote_name(grantee)
        _execute(f"GRANT {privilege} ON {_NEW} TO {who}")
    _execute(
        f"CREATE FUNCTION {_MIRROR}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" INSERT INTO {_NEW} SELECT * FROM added ON CONFLICT DO NOTHING; RETURN NULL; END $$"
    )
    # Waits for those who are inserting: whatever is not mirrored is committed, and lies in the
    # blocks that there are from here on.
    _execute(
        f"CREATE TRIGGER {_MIRROR} AFTER INSERT ON {TABLE} REFERENCING NEW TABLE AS added"
        f" FOR EACH STATEMENT EXECUTE FUNCTION {_MIRROR}()"
    )
    _execute(
        f"CREATE TABLE {_STATE} AS SELECT 0::bigint AS done,"
        " pg_relation_size(%s) / current_setting('block_size')::bigint AS blocks",
        [TABLE],
    )


def _copy(progress: Progress | None) -> None:
    ((done, blocks),) = _rows(f"SELECT done, blocks FROM {_STATE}")
    while done < blocks:
        until = min(done + _BLOCKS, blocks)
        with transaction.atomic():
            _execute(
                f"INSERT INTO {_NEW} SELECT * FROM {TABLE}"
                " WHERE ctid >= %s::tid AND ctid < %s::tid ON CONFLICT DO NOTHING",
                [f"({done},0)", f"({until},0)"],
            )
            _execute(f"UPDATE {_STATE} SET done = %s", [until])
        done = until
        if progress is not None:
            progress(done, blocks)


# Of all rows and of every amount: in one statement, so that it sees both tables at one moment.
_SUMS = f"""
SELECT ARRAY[
         (SELECT (count(*), coalesce(sum(final_cost), 0), coalesce(sum(total_cost), 0),
                  coalesce(bit_xor(uuid_hash_extended(id, 0)), 0))::text FROM {TABLE}),
         (SELECT (count(*), coalesce(sum(final_cost), 0), coalesce(sum(total_cost), 0),
                  coalesce(bit_xor(uuid_hash_extended(id, 0)), 0))::text FROM {_NEW})]
"""


def _prove() -> None:
    _execute(f"ANALYZE {_NEW}")
    (((before, after),),) = _rows(_SUMS)
    if before != after:
        raise CannotPartition(
            f"{TABLE} holds {before}, its copy {after} (records, prices, costs, ids): rows were"
            " moved while they were copied, by VACUUM FULL or CLUSTER. Give this run up with"
            " --forget and start anew."
        )


def _exchange() -> None:
    """The new table under the old one's names, with its triggers; nobody sees a step of it."""
    _execute(f"LOCK TABLE {TABLE}, {_NEW} IN ACCESS EXCLUSIVE MODE")
    _execute(f"DROP TRIGGER {_MIRROR} ON {TABLE}")
    _execute(f"DROP FUNCTION {_MIRROR}()")
    _execute(f"DROP TABLE {_STATE}")
    triggers = [row[0] for row in _rows(_TRIGGERS, [TABLE])]
    names = _index_names(TABLE)
    new_names = _index_names(_NEW)
    _execute(f"ALTER TABLE {TABLE} RENAME TO {_OLD}")
    for name in names.values():
        _execute(f"ALTER INDEX {name} RENAME TO {name}_before")
    _execute(f"ALTER TABLE {_NEW} RENAME TO {TABLE}")
    for shape, name in names.items():
        _execute(f"ALTER INDEX {new_names[shape]} RENAME TO {name}")
    parts = [row[0] for row in _rows(_PARTS, [TABLE])]
    for trigger in triggers:
        _execute(trigger)
        if " FOR EACH STATEMENT " in trigger:
            # Those of the table are not asked about what names a partition.
            for part in parts:
                _execute(trigger.replace(f"{TABLE} ", f"{part} ", 1))


_TRIGGERS = """
SELECT pg_get_triggerdef(oid, true) FROM pg_trigger
 WHERE tgrelid = %s::regclass AND NOT tgisinternal ORDER BY tgname
"""
_PARTS = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass"


def _index_names(table: str) -> dict[str, str]:
    """Names of a table's indexes by what they are, that is, their definition without any name."""
    rows = _rows(
        "SELECT indexrelid::regclass::text, indisunique, pg_get_indexdef(indexrelid)"
        " FROM pg_index WHERE indrelid = %s::regclass",
        [table],
    )
    return {f"{unique} {made.partition(' USING ')[2]}": name for name, unique, made in rows}


def _drop_old(keep: bool) -> None:
    if not keep:
        _execute(f"DROP TABLE IF EXISTS {_OLD}")


def _execute(statement: str, values: list[Any] | None = None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def _rows(statement: str, values: list[Any] | None = None) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall()
