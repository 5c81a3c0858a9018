"""The statement that writes records, rollups and counters, and refuses itself when it must not."""

from billing.models import COUNTER_SLOTS

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
# and counter rows in the order of their keys. The steps run in this order because each reads the
# one before it to its end.
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
), held AS (
    SELECT counter.id
      FROM billing_periodcounter AS counter
     WHERE counter.period_id = ANY(%s::uuid[])
       AND (counter.slot = (SELECT number FROM slot) OR counter.period_id = ANY(%s::uuid[]))
       AND (SELECT count(*) FROM rolled) > 0
     ORDER BY counter.period_id, counter.slot
       FOR UPDATE
), counted AS (
    INSERT INTO billing_periodcounter AS counter (
        period_id, slot, is_open, records, total_cost, final_cost)
    SELECT billing_period_id, (SELECT number FROM slot), true, records, total_cost, final_cost
      FROM by_period
     WHERE (SELECT count(*) FROM rolled) > 0 AND (SELECT count(*) FROM held) >= 0
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
  FROM new
"""  # noqa: S608 - constants are all that goes in
_INSERT = """INSERT INTO usage_usagerecord (
        created_at, {names}id, workspace_id, billing_period_id, call_id, occurred_at, usage_date,
        late, idempotency_key, resource_type, provider, quantity, unit_cost, total_cost,
        markup_percentage, final_cost, rate_id, billed_quantity)
    {rows}
    {on_conflict}
    RETURNING id, workspace_id, billing_period_id, usage_date, resource_type, provider,
              quantity, total_cost, final_cost"""
_MANY = {
    "kept": "MATERIALIZED",
    "rows": """SELECT %s::timestamptz, read.*
      FROM unnest(
        %s::uuid[], %s::uuid[], %s::uuid[], %s::uuid[], %s::timestamptz[], %s::date[],
        %s::boolean[], %s::text[], %s::text[], %s::text[], %s::numeric[], %s::numeric[],
        %s::numeric[], %s::numeric[], %s::numeric[], %s::uuid[],
        %s::numeric[]) AS read""",
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
        %s::numeric, %s::numeric, %s::numeric, %s::numeric, %s::uuid, %s::numeric)""",
    "by_day": "SELECT *, 1 AS records FROM inserted",
    "by_period": "SELECT * FROM by_day",
}


def _flat(statement: str) -> str:
    """Without its indentation: above 4,096 characters psycopg reads a statement anew each time."""
    return " ".join(statement.split())


def _whole(parts: dict[str, str], *, names: str = "", values: str = "", on_conflict: str) -> str:
    insert = _INSERT.format(
        names=names, rows=parts["rows"].format(values=values), on_conflict=on_conflict
    )
    return _flat(_WRITE.format(inserted=insert, **parts))


# Looking for a key before inserting it costs a second descent of the primary key's tree for each
# record, a sixth of the whole statement. Almost every batch is new, so it is written as if it were;
# one that is not fails at its first known key, undoes little, and is written again with `SKIP`.
_SKIP = "ON CONFLICT DO NOTHING"
NEW = _whole(_MANY, on_conflict="")
SKIP = _whole(_MANY, on_conflict=_SKIP)
SINGLE = _whole(_ONE, on_conflict=_SKIP)
REVERSAL = _whole(
    _ONE, names="reverses_id, reason, ", values="%s::uuid, %s::text, ", on_conflict=_SKIP
)

# Where the records' table is distributed over servers (Citus), what is inserted cannot be counted
# in the same statement, nor come from a subquery: it is sent as COPY, or as rows of values where
# some may be known, and then counted by the same statement as above, in the same transaction.
COLUMNS = (
    *("id workspace_id billing_period_id call_id occurred_at usage_date late".split()),
    *("idempotency_key resource_type provider quantity unit_cost total_cost".split()),
    *("markup_percentage final_cost rate_id billed_quantity created_at".split()),
)
COPY = f"COPY usage_usagerecord ({', '.join(COLUMNS)}) FROM STDIN"
INSERT_ROWS = (
    "INSERT INTO usage_usagerecord ({columns}) VALUES {rows} ON CONFLICT DO NOTHING RETURNING id"
)
COUNT = _flat(
    _WRITE.format(
        inserted="""SELECT read.*
      FROM unnest(
        %s::uuid[], %s::uuid[], %s::uuid[], %s::date[], %s::text[], %s::text[], %s::numeric[],
        %s::numeric[], %s::numeric[])
        AS read (id, workspace_id, billing_period_id, usage_date, resource_type, provider,
                 quantity, total_cost, final_cost)""",
        **_MANY,
    )
)
# What `usage_terms_have_changed()` and `usage_limits_are_near()` raise; the latter names the
# periods in its detail, as an array.
CHANGED = "UB001"
LIMITS_NEAR = "UB002"
