"""Prices of calls, summed up in the background behind a watermark.

Recording usage must not become dearer for the sake of a list, so no statement of it writes here.
Every minute this looks at what was written since: which calls, and whose usage. Their records are
summed up anew, so that running it twice, or over the same minutes again, changes nothing.

Records are found by when they were written, through an index of block ranges (BRIN), which costs
an insert next to nothing. They are committed in another order than they are dated: each run looks
again at the minute before, and as far back as the oldest transaction that writes; each night it
looks at two days again, for whatever took longer between its clock and its commit (ADR 41).
"""

import datetime as dt
from collections.abc import Iterable
from itertools import islice
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Min

from usage.models import Call, CallPriceProgress, UsageRecord

_OVERLAP = dt.timedelta(minutes=1)
# Of what was written, so much is summed up in one transaction.
_WINDOW = dt.timedelta(minutes=30)
_WIDEST = dt.timedelta(days=32)
_NIGHTLY = dt.timedelta(days=2)

_COLUMNS = (
    "call_id, workspace_id, agent_id, direction, status, provider, started_at, duration_seconds,"
    " records, cost, price"
)
_CHANGED = ", ".join(
    f"{name} = excluded.{name}" for name in _COLUMNS.split(", ") if name != "call_id"
)
# Plan: the block ranges of both tables that the window is in, then the calls by key.
_TOUCHED = """
WITH touched AS (
    SELECT call_id FROM usage_usagerecord
     WHERE created_at >= %(since)s AND created_at < %(until)s AND call_id IS NOT NULL
    UNION
    SELECT id FROM usage_call WHERE updated_at >= %(since)s AND updated_at < %(until)s
)
SELECT workspace_id, id FROM usage_call WHERE id IN (SELECT call_id FROM touched)
"""
# Plan: for each call its records by the index of (workspace, call), and its row by key. Records are
# summed up before anything else is joined to them: they may be on other servers (ADR 25). Takes no
# lock but of the rows that it writes. The sums of hours get what each price differs from the one
# that was known, so one run at a time may do this.
_PRICE = f"""
WITH used AS MATERIALIZED (
    SELECT record.workspace_id, record.call_id, count(*) AS records,
           sum(record.total_cost) AS cost, sum(record.final_cost) AS price
      FROM unnest(%(workspaces)s::uuid[], %(calls)s::uuid[]) AS asked (workspace, call)
      JOIN usage_usagerecord AS record
        ON record.workspace_id = asked.workspace AND record.call_id = asked.call
     GROUP BY record.workspace_id, record.call_id
), fresh AS (
    SELECT call.id AS call_id, call.workspace_id, call.agent_id, call.direction, call.status,
           call.provider, call.started_at, coalesce(call.duration_seconds, 0) AS duration_seconds,
           coalesce(used.records, 0) AS records, coalesce(used.cost, 0) AS cost,
           coalesce(used.price, 0) AS price, call.local_date, call.local_hour
      FROM usage_call AS call
      LEFT JOIN used ON used.workspace_id = call.workspace_id AND used.call_id = call.id
     WHERE call.id = ANY(%(calls)s::uuid[])
), rolled AS (
    INSERT INTO usage_callpricerollup AS rollup (workspace_id, local_date, local_hour, price)
    SELECT fresh.workspace_id, fresh.local_date, fresh.local_hour,
           sum(fresh.price - coalesce(known.price, 0))
      FROM fresh LEFT JOIN usage_callprice AS known ON known.call_id = fresh.call_id
     WHERE fresh.price <> coalesce(known.price, 0)
     GROUP BY 1, 2, 3
     ORDER BY 1, 2, 3
        ON CONFLICT (workspace_id, local_date, local_hour)
        DO UPDATE SET price = rollup.price + excluded.price
)
INSERT INTO usage_callprice AS known ({_COLUMNS})
SELECT {_COLUMNS} FROM fresh ORDER BY call_id
    ON CONFLICT (call_id) DO UPDATE SET {_CHANGED}
 WHERE (known.agent_id, known.status, known.duration_seconds, known.records, known.cost,
        known.price)
       IS DISTINCT FROM
       (excluded.agent_id, excluded.status, excluded.duration_seconds, excluded.records,
        excluded.cost, excluded.price)
"""  # noqa: S608 - constants are all that goes in
_CALLS_A_STATEMENT = 5_000
_FORGET_HOURS = "DELETE FROM usage_callpricerollup WHERE workspace_id = %(workspace)s"
_SUM_HOURS = """
INSERT INTO usage_callpricerollup (workspace_id, local_date, local_hour, price)
SELECT call.workspace_id, call.local_date, call.local_hour, sum(priced.price)
  FROM usage_callprice AS priced JOIN usage_call AS call ON call.id = priced.call_id
 WHERE priced.workspace_id = %(workspace)s AND priced.price <> 0
 GROUP BY 1, 2, 3
"""
_ALONE = "SELECT pg_advisory_xact_lock(hashtext('price calls'))"
_ALONE_OR_NOT = "SELECT pg_try_advisory_xact_lock(hashtext('price calls'))"

_OLDEST_WRITER = """
SELECT min(xact_start) FROM pg_stat_activity
 WHERE datname = current_database() AND backend_xid IS NOT NULL AND pid <> pg_backend_pid()
"""


def price_calls(*, now: dt.datetime) -> int:
    """Bring the prices of calls up to `now`; how many calls changed. One run at a time: a second
    one leaves the work to the first."""
    return _price_since(None, now=now)


def price_calls_again(*, now: dt.datetime) -> int:
    """The same for two days that were priced before."""
    return _price_since(now - _NIGHTLY, now=now)


def rebuild_call_prices(*, workspace_id: UUID) -> int:
    """Price all calls of the workspace anew; how many changed."""
    given = {"workspace": workspace_id}
    calls = Call.objects.filter(workspace_id=workspace_id).values_list("workspace_id", "pk")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_ALONE)
        changed = _price(calls.iterator(_CALLS_A_STATEMENT))
        cursor.execute(_FORGET_HOURS, given)
        cursor.execute(_SUM_HOURS, given)
    return changed


def _price(calls: Iterable[tuple[UUID, UUID]]) -> int:
    """Of workspaces and calls, in a transaction that is alone; how many prices changed."""
    changed = 0
    with connection.cursor() as cursor:
        rest = iter(calls)
        while some := list(islice(rest, _CALLS_A_STATEMENT)):
            workspaces, ids = zip(*some, strict=True)
            cursor.execute(_PRICE, {"workspaces": list(workspaces), "calls": list(ids)})
            changed += cursor.rowcount
    return changed


def _price_since(since: dt.datetime | None, *, now: dt.datetime) -> int:
    changed, window = 0, _WINDOW
    begun = since or _watermark() or _first_written()
    # What was written up to a moment ago is dated before this.
    horizon = now + dt.timedelta(seconds=1)
    while begun is not None and begun < horizon:
        until = min(begun + window, horizon)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_ALONE_OR_NOT)
            if not cursor.fetchone()[0]:
                break
            cursor.execute(_OLDEST_WRITER)
            oldest = cursor.fetchone()[0]
            cursor.execute(_TOUCHED, {"since": begun, "until": until})
            touched = cursor.fetchall()
            if len(touched) > _CALLS_A_STATEMENT and window > _WINDOW:
                window = _WINDOW
                continue
            changed += _price(touched)
            if since is None:
                _note(min(until, oldest or until, now), as_of=now)
        # Time in which nothing was written is passed in ever longer steps.
        window = _WINDOW if touched else min(2 * window, _WIDEST)
        begun = until
    return changed


def _watermark() -> dt.datetime | None:
    up_to = CallPriceProgress.objects.values_list("up_to", flat=True).first()
    return up_to and up_to - _OVERLAP


def _first_written() -> dt.datetime | None:
    """Reads both tables once, as there is no order in them by this."""
    times = [
        UsageRecord.objects.aggregate(first=Min("created_at"))["first"],
        Call.objects.aggregate(first=Min("updated_at"))["first"],
    ]
    return min((each for each in times if each is not None), default=None)


def _note(up_to: dt.datetime, *, as_of: dt.datetime) -> None:
    CallPriceProgress.objects.update_or_create(pk=1, defaults={"up_to": up_to, "as_of": as_of})
