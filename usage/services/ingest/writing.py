"""The set-based writes of a batch: records, rollups and counters in one statement."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec
import psycopg

from billing.models import COUNTER_SLOTS
from billing.prepared import prepared_cursor
from usage.services.ingest.entries import Candidate
from usage.services.ingest.terms import Versions

# Columns travel as array literals: one text a column, built by join. Measured against COPY into a
# temporary table plus INSERT .. SELECT: the same at 10,000 rows, better at 100 (no table to empty,
# one round trip less). COPY straight into the table saves a tenth, and cannot return what it
# inserted to the steps that count it.
#
# Plan: unnest -> INSERT (skipping known keys, if asked to) -> hash aggregate of what was really
# inserted -> upserts of its day rollups and of one counter row a period -> index look-ups of the
# rows that the records were priced by.
#
# Locks, always in this order, so that batches cannot deadlock: primary keys in the order of ids
# (the arrays come sorted; a key that another batch is inserting is waited for), then rollup rows
# and counter rows in the order of their keys. The data-modifying steps run in this order because
# each reads the one before it to its end.
#
# Batches that run at once count in different slots and never wait for each other: a slot is claimed
# with an advisory lock that ends with the transaction. With more batches than slots the rest share
# one and queue at its rows, in the order of their keys.
#
# Prices and periods were read before, perhaps a while ago. The statement fails as a whole unless
# they still hold: each workspace's row, its settings and the platform's markup must be in the very
# version that was read, and `counted` touches a counter only while it is open. The close flips
# `is_open` under the same row lock, so either it waits for this transaction and sees its records,
# or this statement finds the flag down.
#
# psycopg reads a statement anew each time when it is longer than 4,096 characters.
_WRITE = f"""
WITH slot AS MATERIALIZED (
    SELECT coalesce(
        (SELECT s FROM generate_series(0, {COUNTER_SLOTS - 1}) AS s
          WHERE pg_try_advisory_xact_lock(hashtext('usage counter slot'), s) LIMIT 1),
        pg_backend_pid() %% {COUNTER_SLOTS})::smallint AS number
), inserted AS (
    INSERT INTO usage_usagerecord (
        created_at, {{names}}id, workspace_id, billing_period_id, call_id, occurred_at, usage_date,
        late, idempotency_key, resource_type, provider, quantity, unit_cost, total_cost,
        markup_percentage, final_cost)
    {{rows}}
    {{on_conflict}}
    RETURNING id, workspace_id, billing_period_id, usage_date, resource_type, provider,
              quantity, total_cost, final_cost
), by_day AS {{kept}} (
    {{by_day}}
), by_period AS {{kept}} (
    {{by_period}}
), rolled AS (
    INSERT INTO usage_usagerollup AS rollup (
        billing_period_id, slot, usage_date, resource_type, provider, workspace_id,
        records, quantity, total_cost, final_cost)
    SELECT billing_period_id, (SELECT number FROM slot), usage_date, resource_type, provider,
           workspace_id, records, quantity, total_cost, final_cost
      FROM by_day
     ORDER BY billing_period_id, usage_date, resource_type, provider
    ON CONFLICT (billing_period_id, slot, usage_date, resource_type, provider) DO UPDATE SET
        records = rollup.records + excluded.records,
        quantity = rollup.quantity + excluded.quantity,
        total_cost = rollup.total_cost + excluded.total_cost,
        final_cost = rollup.final_cost + excluded.final_cost
    RETURNING 1
), counted AS (
    INSERT INTO billing_periodcounter AS counter (
        period_id, slot, is_open, records, total_cost, final_cost)
    SELECT billing_period_id, (SELECT number FROM slot), true, records, total_cost, final_cost
      FROM by_period
     WHERE (SELECT count(*) FROM rolled) > 0
     ORDER BY billing_period_id
    ON CONFLICT (period_id, slot) DO UPDATE SET
        records = counter.records + excluded.records,
        total_cost = counter.total_cost + excluded.total_cost,
        final_cost = counter.final_cost + excluded.final_cost
        WHERE counter.is_open
    RETURNING 1
), new AS MATERIALIZED (
    SELECT count(*) AS periods, coalesce(sum(records), 0)::int AS records FROM by_period
)
SELECT CASE
         WHEN new.periods = (SELECT count(*) FROM counted)
          AND (SELECT xmin FROM billing_platformsetting WHERE name = 'pricing_markup_percentage')
              IS NOT DISTINCT FROM %s::xid
          AND (SELECT count(*)
                 FROM unnest(%s::uuid[], %s::xid[], %s::xid[]) AS read (id, own, settings)
                 JOIN billing_workspace AS workspace
                   ON workspace.id = read.id AND workspace.xmin = read.own
                 JOIN billing_workspacebillingsettings AS settings
                   ON settings.workspace_id = read.id AND settings.xmin = read.settings) = %s
         THEN new.records
         ELSE usage_terms_have_changed()
       END,
       CASE WHEN new.records < %s THEN ARRAY(SELECT replace(id::text, '-', '') FROM inserted) END
  FROM new
"""  # noqa: S608 - constants are all that goes in
_MANY = {
    "kept": "MATERIALIZED",
    "rows": """SELECT %s::timestamptz, read.*
      FROM unnest(
        %s::uuid[], %s::uuid[], %s::uuid[], %s::uuid[], %s::timestamptz[], %s::date[],
        %s::boolean[], %s::text[], %s::text[], %s::text[], %s::numeric[], %s::numeric[],
        %s::numeric[], %s::numeric[], %s::numeric[]) AS read""",
    "by_day": """SELECT billing_period_id, workspace_id, usage_date, resource_type, provider,
           count(*) AS records, sum(quantity) AS quantity,
           sum(total_cost) AS total_cost, sum(final_cost) AS final_cost
      FROM inserted
     GROUP BY billing_period_id, workspace_id, usage_date, resource_type, provider""",
    "by_period": """SELECT billing_period_id, sum(records) AS records,
           sum(total_cost) AS total_cost, sum(final_cost) AS final_cost
      FROM by_day
     GROUP BY billing_period_id""",
}
# A record by itself needs no arrays and no grouping, a tenth of the statement's time.
_ONE = {
    "kept": "NOT MATERIALIZED",
    "rows": """VALUES (%s::timestamptz, {values}%s::uuid, %s::uuid, %s::uuid, %s::uuid,
        %s::timestamptz, %s::date, %s::boolean, %s::text, %s::text, %s::text, %s::numeric,
        %s::numeric, %s::numeric, %s::numeric, %s::numeric)""",
    "by_day": "SELECT *, 1 AS records FROM inserted",
    "by_period": "SELECT * FROM by_day",
}
# Looking for a key before inserting it costs a second descent of the primary key's tree for each
# record, a sixth of the whole statement. Almost every batch is new, so it is written as if it were;
# one that is not fails at its first known key, undoes little, and is written again with `_SKIP`.
_NEW = _WRITE.format(names="", on_conflict="", **_MANY)
_SKIP = _WRITE.format(names="", on_conflict="ON CONFLICT DO NOTHING", **_MANY)
_SINGLE = _WRITE.format(names="", on_conflict="ON CONFLICT DO NOTHING", **_ONE).format(values="")
_REVERSAL = _WRITE.format(
    names="reverses_id, reason, ", on_conflict="ON CONFLICT DO NOTHING", **_ONE
).format(values="%s::uuid, %s::text, ")
# What `usage_terms_have_changed()` raises.
_CHANGED = "UB001"


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
    """A batch written as new has keys that are known: write it skipping those."""


class TermsChanged(Exception):
    """What the records were priced by, or their period, is no longer so: read it again."""


def write(
    records: Sequence[Candidate],
    versions: Mapping[str, Versions],
    *,
    created_at: dt.datetime,
    all_new: bool,
) -> Written:
    """Insert `records`, priced, sorted by id and each id once; add what is new to rollups and
    counters. `versions` by workspace id: what they were priced by.

    With `all_new`, raises `SomeAreKnown` when that is not so, unless it is one record; else known
    ones are skipped. Raises `TermsChanged`. Either way nothing was written, and a transaction
    around it has to be undone.
    """
    if len(records) == 1:
        return _execute(_SINGLE, [created_at.isoformat(), *_row(records[0])], 1, versions)
    columns = [
        _array([each.id for each in records]),
        _array([each.workspace_id for each in records]),
        _array([each.place.period_id for each in records]),
        _array([each.call_id or "NULL" for each in records]),
        _quoted_array([each.occurred_at for each in records]),
        _array([each.place.usage_date for each in records]),
        _array(["t" if each.place.late else "f" for each in records]),
        _quoted_array([each.idempotency_key for each in records]),
        _quoted_array([each.resource_type for each in records]),
        _quoted_array([each.provider for each in records]),
        _array([each.quantity_text for each in records]),
        _array([each.unit_cost_text for each in records]),
        _array([each.total_cost for each in records]),
        _array([each.markup for each in records]),
        _array([each.final_cost for each in records]),
    ]
    statement = _NEW if all_new else _SKIP
    return _execute(statement, [created_at.isoformat(), *columns], len(records), versions)


def _row(record: Candidate) -> Row:
    return Row(
        record.id,
        record.workspace_id,
        record.place.period_id,
        record.call_id,
        record.occurred_at.isoformat(),
        record.place.usage_date,
        "t" if record.place.late else "f",
        record.idempotency_key,
        record.resource_type,
        record.provider,
        record.quantity_text,
        record.unit_cost_text,
        record.total_cost,
        record.markup,
        record.final_cost,
    )


def write_reversal(
    row: Row,
    versions: Mapping[str, Versions],
    *,
    reverses: str,
    reason: str,
    created_at: dt.datetime,
) -> Written:
    """Insert the record that takes `reverses` (its id) back, with all amounts negated."""
    return _execute(_REVERSAL, [created_at.isoformat(), reverses, reason, *row], 1, versions)


def _execute(
    statement: str, values: list[str | None], count: int, versions: Mapping[str, Versions]
) -> Written:
    platforms = {each.platform for each in versions.values()}
    if len(platforms) != 1:
        # Read at different times, with a change between them.
        raise TermsChanged
    read = [
        platforms.pop(),
        _array(versions),
        _array([each.workspace for each in versions.values()]),
        _array([each.settings for each in versions.values()]),
        len(versions),
    ]
    with prepared_cursor() as cursor:
        try:
            cursor.execute(statement, [*values, *read, count], prepare=True)
        except psycopg.errors.UniqueViolation as error:
            raise SomeAreKnown from error
        except psycopg.errors.ForeignKeyViolation as error:
            # The table's own guard against closed periods comes first when one has just closed.
            raise TermsChanged from error
        except psycopg.DatabaseError as error:
            if error.sqlstate == _CHANGED:
                raise TermsChanged from error
            raise
        found = cursor.fetchone()
    if found is None:
        raise RuntimeError("the write statement always answers one row")
    new, ids = found
    return Written(new, None if ids is None else set(ids))


def _array(values: Iterable[str]) -> str:
    """An array literal of texts that need no quotes: digits, ids, days, NULL."""
    return "{" + ",".join(values) + "}"


def _quoted_array(values: Sequence[str | dt.datetime]) -> str:
    """An array literal of free texts or times.

    Inside the brackets it looks like JSON, as long as no character needs an escape but quotes and
    backslashes; keys and names are printable, so none does.
    """
    return "{" + msgspec.json.encode(values)[1:-1].decode() + "}"
