"""The statement that writes records, rollups and counters, and refuses itself when it must not."""

from billing.models import COUNTER_SLOTS
from billing.prepared import numbered

# Columns travel as array literals: one text a column, built by join. Measured against COPY into a
# temporary table plus INSERT .. SELECT: the same at 10,000 rows, better at 100 (no table to empty,
# one round trip less). COPY straight into the table saves a tenth, and cannot return what it
# inserted to the steps that count it.
#
# Plan: unnest -> INSERT (skipping known keys, if asked to) -> hash aggregate of what was really
# inserted -> upserts of its day rollups, of the rollups of those that have an agent or a model, and
# of one counter row a period -> index look-ups of the rows that the records were priced by.
#
# Locks, always in this order, so that batches cannot deadlock: primary keys in their own order,
# workspace and id (the arrays come sorted; a key that another batch is inserting is waited for),
# then rollup rows and counter rows in the order of their keys. The steps run in this order because
# each reads the one before it to its end.
#
# Batches that run at once count in different slots and never wait for each other: a slot is claimed
# with an advisory lock that ends with the transaction. With more batches than slots the rest share
# one and queue at its rows, in the order of their keys.
#
# Prices and periods were read before, perhaps a while ago. The statement fails as a whole unless
# they still hold: each workspace's row, its settings, the platform's markup and the revision of all
# other prices must be in the very version that was read, and `counted` touches a counter only
# while it is open. The close flips `is_open` under the same row lock, so either it waits for this
# transaction and sees its records, or this statement finds the flag down.
#
# A period's limit needs no look at the other slots while this one stays below what was last found
# safe for it, under settings that still hold (`checked_up_to`, ADR 11). Where that is not so the
# statement fails and names the periods; it is then run with all slots of these `held`, so that
# what follows in the same transaction sees all that was ever spent.
_WRITE = f"""
WITH slot AS MATERIALIZED (
    SELECT coalesce(
        (SELECT s FROM generate_series(0, {COUNTER_SLOTS - 1}) AS s
          WHERE pg_try_advisory_xact_lock(hashtext('usage counter slot'), s) LIMIT 1),
        pg_backend_pid() %% {COUNTER_SLOTS})::smallint AS number
), inserted AS (
    {{inserted}}
), by_day AS {{kept}} (
    {{by_day}}
), by_period AS {{kept}} (
    {{by_period}}
), rolled AS (
    INSERT INTO usage_usagerollup AS rollup (
        billing_period_id, slot, usage_date, resource_type, provider, rate_id, workspace_id,
        records, quantity, billed_quantity, total_cost, final_cost)
    SELECT billing_period_id, (SELECT number FROM slot), usage_date, resource_type, provider,
           rate_id, workspace_id, records, quantity, billed_quantity, total_cost, final_cost
      FROM by_day
     ORDER BY billing_period_id, usage_date, resource_type, provider, rate_id
    ON CONFLICT (billing_period_id, slot, usage_date, resource_type, provider, rate_id)
    DO UPDATE SET
        records = rollup.records + excluded.records,
        quantity = rollup.quantity + excluded.quantity,
        billed_quantity = rollup.billed_quantity + excluded.billed_quantity,
        total_cost = rollup.total_cost + excluded.total_cost,
        final_cost = rollup.final_cost + excluded.final_cost
    RETURNING 1
), dimensions AS (
    INSERT INTO usage_dimensionrollup AS rollup (
        billing_period_id, slot, usage_date, agent_id, model, resource_type, provider,
        workspace_id, records, quantity, total_cost, final_cost)
    {{by_dimension}}
     ORDER BY billing_period_id, usage_date, agent_id, model, resource_type, provider
    ON CONFLICT (billing_period_id, slot, usage_date, agent_id, model, resource_type, provider)
    DO UPDATE SET
        records = rollup.records + excluded.records,
        quantity = rollup.quantity + excluded.quantity,
        total_cost = rollup.total_cost + excluded.total_cost,
        final_cost = rollup.final_cost + excluded.final_cost
    RETURNING 1
), held AS (
    SELECT counter.id
      FROM billing_periodcounter AS counter
     WHERE counter.period_id = ANY(%s::uuid[])
       AND (counter.slot = (SELECT number FROM slot) OR counter.period_id = ANY(%s::uuid[]))
       AND (SELECT count(*) FROM rolled) + (SELECT count(*) FROM dimensions) > 0
     ORDER BY counter.period_id, counter.slot
       FOR UPDATE
), counted AS (
    INSERT INTO billing_periodcounter AS counter (
        period_id, slot, is_open, records, total_cost, final_cost)
    SELECT billing_period_id, (SELECT number FROM slot), true, records, total_cost, final_cost
      FROM by_period
     WHERE (SELECT count(*) FROM rolled) + (SELECT count(*) FROM dimensions) > 0
       AND (SELECT count(*) FROM held) >= 0
     ORDER BY billing_period_id
    ON CONFLICT (period_id, slot) DO UPDATE SET
        records = counter.records + excluded.records,
        total_cost = counter.total_cost + excluded.total_cost,
        final_cost = counter.final_cost + excluded.final_cost
        WHERE counter.is_open
    RETURNING period_id, checked_terms, final_cost < checked_up_to AS below
), new AS MATERIALIZED (
    SELECT count(*) AS periods, coalesce(sum(records), 0)::int AS records FROM by_period
)
SELECT CASE
         WHEN new.periods = (SELECT count(*) FROM counted)
          AND (SELECT xmin FROM billing_platformsetting WHERE name = 'pricing_markup_percentage')
              IS NOT DISTINCT FROM %s::xid
          AND (SELECT xmin FROM billing_pricerevision) IS NOT DISTINCT FROM %s::xid
          AND (SELECT count(*)
                 FROM unnest(%s::uuid[], %s::xid[], %s::xid[]) AS read (id, own, terms)
                 JOIN billing_workspace AS owner
                   ON owner.id = read.id AND owner.xmin = read.own
                 JOIN billing_workspacebillingsettings AS terms
                   ON terms.workspace_id = read.id AND terms.xmin = read.terms) = %s
         THEN coalesce((
              SELECT usage_limits_are_near(array_agg(limited.period))
                FROM unnest(%s::uuid[], %s::bigint[]) AS limited (period, terms)
                JOIN counted ON counted.period_id = limited.period
               WHERE (counted.below AND counted.checked_terms = limited.terms) IS NOT TRUE
              HAVING count(*) > 0), new.records)
         ELSE usage_terms_have_changed()
       END,
       CASE WHEN new.records < %s THEN ARRAY(SELECT replace(id::text, '-', '') FROM inserted) END
       {{also}}
  FROM new
"""  # noqa: S608 - constants are all that goes in

# Columns of a record in the order in which their values are given, with their types. Those that
# few records have are sent as an empty array when none of a batch has one: unnest fills it up.
COLUMNS = {
    "id": "uuid",
    "workspace_id": "uuid",
    "billing_period_id": "uuid",
    "call_id": "uuid",
    "occurred_at": "timestamptz",
    "usage_date": "date",
    "late": "boolean",
    "idempotency_key": "text",
    "resource_type": "text",
    "provider": "text",
    "quantity": "numeric",
    "unit_cost": "numeric",
    "total_cost": "numeric",
    "markup_percentage": "numeric",
    "final_cost": "numeric",
    "rate_id": "uuid",
    "billed_quantity": "numeric",
    "model": "text",
    "cost_currency": "text",
    "exchange_rate": "numeric",
    "cost_state": "text",
    "agent_id": "uuid",
}
_NAMES = ", ".join(COLUMNS)
# What an inserted record is counted by.
_COUNTED = {
    name: COLUMNS[name]
    for name in (
        *("id", "workspace_id", "billing_period_id", "usage_date", "resource_type", "provider"),
        *("rate_id", "quantity", "billed_quantity", "total_cost", "final_cost"),
        *("agent_id", "model"),
    )
}
_INSERT = f"""INSERT INTO usage_usagerecord (created_at, {{more}}{_NAMES})
    SELECT %s::timestamptz, {{more_values}}{
    ", ".join(f"read.{name}" for name in COLUMNS if name != "agent_id")
}, {{agent}}
      FROM {{rows}} AS read ({_NAMES})
    {{on_conflict}}
    RETURNING {", ".join(_COUNTED)}, call_id"""  # noqa: S608 - constants
# The call knows better than its records which agent took it. One look-up of a primary key each,
# where a workspace has agents at all; the workspace is compared outside of the condition, lest the
# calls of a whole workspace be looked through.
_AGENT_OF_CALL = """CASE WHEN %s THEN coalesce((
        SELECT CASE WHEN call.workspace_id = read.workspace_id THEN call.agent_id END
          FROM usage_call AS call WHERE call.id = read.call_id), read.agent_id) END"""
_AGENTS = """, CASE WHEN %s THEN ARRAY(
        SELECT replace(id::text || agent_id::text, '-', '') FROM inserted
         WHERE call_id IS NOT NULL AND agent_id IS NOT NULL) END"""


def _arrays(columns: dict[str, str]) -> str:
    return f"unnest({', '.join(f'%s::{kind}[]' for kind in columns.values())})"


_MANY = {
    "kept": "MATERIALIZED",
    "by_day": """SELECT billing_period_id, workspace_id, usage_date, resource_type, provider,
           rate_id, count(*) AS records, sum(quantity) AS quantity,
           sum(quantity) + coalesce(sum(billed_quantity - quantity), 0) AS billed_quantity,
           sum(total_cost) AS total_cost, sum(final_cost) AS final_cost
      FROM inserted
     GROUP BY billing_period_id, workspace_id, usage_date, resource_type, provider, rate_id""",
    "by_period": """SELECT billing_period_id, sum(records) AS records,
           sum(total_cost) AS total_cost, sum(final_cost) AS final_cost
      FROM by_day
     GROUP BY billing_period_id""",
    "by_dimension": """SELECT billing_period_id, (SELECT number FROM slot), usage_date, agent_id,
           model, resource_type, provider, workspace_id, count(*), sum(quantity), sum(total_cost),
           sum(final_cost)
      FROM inserted
     WHERE %s AND (agent_id IS NOT NULL OR model IS NOT NULL)
     GROUP BY billing_period_id, workspace_id, usage_date, agent_id, model, resource_type,
              provider""",
}
# A record by itself needs no arrays and no grouping, a tenth of the statement's time.
_ONE = {
    "kept": "NOT MATERIALIZED",
    "by_day": """SELECT billing_period_id, workspace_id, usage_date, resource_type, provider,
           rate_id, 1 AS records, quantity, coalesce(billed_quantity, quantity) AS billed_quantity,
           total_cost, final_cost
      FROM inserted""",
    "by_period": "SELECT * FROM by_day",
    "by_dimension": """SELECT billing_period_id, (SELECT number FROM slot), usage_date, agent_id,
           model, resource_type, provider, workspace_id, 1, quantity, total_cost, final_cost
      FROM inserted
     WHERE %s AND (agent_id IS NOT NULL OR model IS NOT NULL)""",
}


def _many(*, on_conflict: str) -> bytes:
    insert = _INSERT.format(
        more="",
        more_values="",
        rows=_arrays(COLUMNS),
        agent=_AGENT_OF_CALL,
        on_conflict=on_conflict,
    )
    return numbered(_WRITE.format(inserted=insert, also=_AGENTS, **_MANY))


def _one(*, more: dict[str, str], agent: str) -> bytes:
    insert = _INSERT.format(
        more="".join(f"{name}, " for name in more),
        more_values="".join(f"%s::{kind}, " for kind in more.values()),
        rows=f"(VALUES ({', '.join(f'%s::{kind}' for kind in COLUMNS.values())}))",
        agent=agent,
        on_conflict=_SKIP,
    )
    return numbered(_WRITE.format(inserted=insert, also=_AGENTS, **_ONE))


# Looking for a key before inserting it costs a second descent of the primary key's tree for each
# record, a sixth of the whole statement. Almost every batch is new, so it is written as if it were;
# one that is not fails at its first known key, undoes little, and is written again with `SKIP`.
_SKIP = "ON CONFLICT DO NOTHING"
NEW = _many(on_conflict="")
SKIP = _many(on_conflict=_SKIP)
SINGLE = _one(more={}, agent=_AGENT_OF_CALL)
# What is corrected must be so for the same agent, whatever the call says by now.
CORRECTION = _one(
    more={"reverses_id": "uuid", "trues_up_id": "uuid", "reason": "text"}, agent="read.agent_id"
)

# Where the records' table is distributed over servers (Citus), what is inserted cannot be counted
# in the same statement, nor come from a subquery: it is sent as COPY, or as rows of values where
# some may be known, and then counted by the same statement as above, in the same transaction.
COPY = f"COPY usage_usagerecord ({_NAMES}, created_at) FROM STDIN"
INSERT_ROWS = (
    "INSERT INTO usage_usagerecord ({columns}) VALUES {rows} ON CONFLICT DO NOTHING RETURNING id"
)
COUNT = numbered(
    _WRITE.format(
        inserted=f"SELECT read.* FROM {_arrays(_COUNTED)} AS read ({', '.join(_COUNTED)})",  # noqa: S608
        also=", NULL",
        **_MANY,
    )
)
# What `usage_terms_have_changed()` and `usage_limits_are_near()` raise; the latter names the
# periods in its detail, as an array.
CHANGED = "UB001"
LIMITS_NEAR = "UB002"
