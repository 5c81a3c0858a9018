"""The set-based writes of a batch: records, rollups and counters in one statement."""

from collections.abc import Sequence
from typing import NamedTuple

import psycopg

# Columns travel as array literals: one text a column, built by join. Measured against COPY into a
# temporary table plus INSERT .. SELECT: the same at 10,000 rows, better at 100 (no table to empty,
# one round trip less).
#
# Plan: unnest -> INSERT (skipping known keys, if asked to) -> hash aggregate of what was really
# inserted -> upserts of its day rollups and of one counter row a period.
#
# Locks, always in this order, so that batches cannot deadlock: primary keys in the order of ids
# (the arrays come sorted; a key that another batch is inserting is waited for), then rollup rows
# and counter rows in the order of their keys. The data-modifying steps run in this order because
# each reads the one before it.
#
# `counted` touches a counter only while it is open. The close flips `is_open` under the same row
# lock, so either it waits for this transaction and sees its records, or this statement finds the
# flag down, returns fewer counters than it should, and the caller rolls everything back.
_WRITE = """
WITH inserted AS (
    INSERT INTO usage_usagerecord (
        created_at, {names}id, workspace_id, billing_period_id, call_id, occurred_at, usage_date,
        late, idempotency_key, resource_type, provider, quantity, unit_cost, total_cost,
        markup_percentage, final_cost)
    SELECT %s::timestamptz, {values}new.*
      FROM unnest(
        %s::uuid[], %s::uuid[], %s::uuid[], %s::uuid[], %s::timestamptz[], %s::date[],
        %s::boolean[], %s::text[], %s::text[], %s::text[], %s::numeric[], %s::numeric[],
        %s::numeric[], %s::numeric[], %s::numeric[]) AS new
    {on_conflict}
    RETURNING id, workspace_id, billing_period_id, usage_date, resource_type, provider,
              quantity, total_cost, final_cost
), by_day AS MATERIALIZED (
    SELECT billing_period_id, workspace_id, usage_date, resource_type, provider,
           count(*) AS records, sum(quantity) AS quantity,
           sum(total_cost) AS total_cost, sum(final_cost) AS final_cost
      FROM inserted
     GROUP BY billing_period_id, workspace_id, usage_date, resource_type, provider
), rolled AS (
    INSERT INTO usage_usagerollup AS rollup (
        billing_period_id, slot, usage_date, resource_type, provider, workspace_id,
        records, quantity, total_cost, final_cost)
    SELECT billing_period_id, %s::smallint, usage_date, resource_type, provider, workspace_id,
           records, quantity, total_cost, final_cost
      FROM by_day
     ORDER BY billing_period_id, usage_date, resource_type, provider
    ON CONFLICT (billing_period_id, slot, usage_date, resource_type, provider) DO UPDATE SET
        records = rollup.records + excluded.records,
        quantity = rollup.quantity + excluded.quantity,
        total_cost = rollup.total_cost + excluded.total_cost,
        final_cost = rollup.final_cost + excluded.final_cost
    RETURNING billing_period_id
), counted AS (
    INSERT INTO billing_periodcounter AS counter (
        period_id, slot, is_open, records, total_cost, final_cost)
    SELECT by_day.billing_period_id, %s::smallint, true,
           sum(records), sum(total_cost), sum(final_cost)
      FROM by_day
     WHERE EXISTS (SELECT FROM rolled)
     GROUP BY by_day.billing_period_id
     ORDER BY by_day.billing_period_id
    ON CONFLICT (period_id, slot) DO UPDATE SET
        records = counter.records + excluded.records,
        total_cost = counter.total_cost + excluded.total_cost,
        final_cost = counter.final_cost + excluded.final_cost
        WHERE counter.is_open
    RETURNING period_id
)
SELECT (SELECT coalesce(sum(records), 0)::int FROM by_day),
       (SELECT count(DISTINCT billing_period_id)::int FROM by_day),
       (SELECT count(*)::int FROM counted),
       CASE WHEN (SELECT coalesce(sum(records), 0) FROM by_day) < %s
            THEN ARRAY(SELECT replace(id::text, '-', '') FROM inserted) END
"""
# Looking for a key before inserting it costs a second descent of the primary key's tree for each
# record, a sixth of the whole statement. Almost every batch is new, so it is written as if it were;
# one that is not fails at its first known key, undoes little, and is written again with `_SKIP`.
_NEW = _WRITE.format(names="", values="", on_conflict="")
_SKIP = _WRITE.format(names="", values="", on_conflict="ON CONFLICT DO NOTHING")
_REVERSAL = _WRITE.format(
    names="reverses_id, reason, ",
    values="%s::uuid, %s::text, ",
    on_conflict="ON CONFLICT DO NOTHING",
)


class Row(NamedTuple):
    """A finished record, every column as the text that PostgreSQL takes; None for no call."""

    id: str
    workspace_id: str
    period_id: str
    call_id: str | None
    occurred_at: str
    usage_date: str
    late: str
    idempotency_key: str
    resource_type: str
    provider: str
    quantity: str
    unit_cost: str
    total_cost: str
    markup_percentage: str
    final_cost: str


class Written(NamedTuple):
    """How many rows are new; which, when not all are (ids of 32 hex digits)."""

    new: int
    ids: set[str] | None


class SomeAreKnown(Exception):
    """A batch written as new has keys that are known: roll back, write it skipping those."""


class PeriodClosedMeanwhile(Exception):
    """A period closed between routing and writing: roll back, route again."""


def write(
    cursor: psycopg.Cursor, rows: Sequence[Row], *, slot: int, created_at: str, all_new: bool
) -> Written:
    """Insert `rows`, sorted by id and each id once; add what is new to rollups and counters.

    With `all_new`, raises `SomeAreKnown` when that is not so; else known ones are skipped. Raises
    `PeriodClosedMeanwhile`. Either way the transaction has to be rolled back.
    """
    try:
        return _execute(cursor, _NEW if all_new else _SKIP, [created_at], rows, slot)
    except psycopg.errors.UniqueViolation as error:
        raise SomeAreKnown from error


def write_reversal(
    cursor: psycopg.Cursor, row: Row, *, reverses: str, reason: str, slot: int, created_at: str
) -> Written:
    """Insert the record that takes `reverses` (its id) back, with all amounts negated."""
    return _execute(cursor, _REVERSAL, [created_at, reverses, reason], [row], slot)


def _execute(
    cursor: psycopg.Cursor, statement: str, first: list[str], rows: Sequence[Row], slot: int
) -> Written:
    columns: list[list[str | None]] = [list(column) for column in zip(*rows, strict=True)]
    literals = [
        _quoted_array(column) if number in _QUOTED else _array(column)
        for number, column in enumerate(columns)
    ]
    try:
        cursor.execute(statement, [*first, *literals, slot, slot, len(rows)], prepare=True)
    except psycopg.errors.ForeignKeyViolation as error:
        # The table's own guard against closed periods comes first when one has just closed.
        raise PeriodClosedMeanwhile from error
    found = cursor.fetchone()
    if found is None:
        raise RuntimeError("the write statement always answers one row")
    count, periods, counted, ids = found
    if counted != periods:
        raise PeriodClosedMeanwhile
    return Written(count, None if ids is None else set(ids))


# Free texts: key, resource type ("null" is one) and provider.
_QUOTED = frozenset({7, 8, 9})


def _array(column: Sequence[str | None]) -> str:
    return "{" + ",".join([value or "NULL" for value in column]) + "}"


def _quoted_array(column: Sequence[str | None]) -> str:
    joined = '","'.join(column)  # type: ignore[arg-type]
    if "\\" in joined or joined.count('"') != 2 * (len(column) - 1):
        joined = '","'.join(
            [(value or "").replace("\\", "\\\\").replace('"', '\\"') for value in column]
        )
    return '{"' + joined + '"}'
