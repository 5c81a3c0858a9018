"""Rollups of calls: how many, and how long, in each hour of the workspace's clock."""

import datetime as dt
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from django.db import connection, transaction

from usage.models import Call


class CallKind(NamedTuple):
    """What a rollup row of calls is about, in the order of its unique constraint."""

    workspace_id: UUID
    local_date: dt.date
    local_hour: int
    provider: str
    status: str
    direction: str


def count_call(changes: dict[CallKind, list[Decimal]], call: Call, sign: int) -> None:
    """Add a call to the changes of its kind (calls, ended ones, their seconds), or take it away."""
    kind = CallKind(
        call.workspace_id,
        call.local_date,
        call.local_hour,
        call.provider,
        call.status,
        call.direction,
    )
    change = changes[kind]
    change[0] += sign
    if call.status != Call.Status.IN_PROGRESS and call.duration_seconds is not None:
        change[1] += sign
        change[2] += sign * call.duration_seconds


_KEYS = "workspace_id, local_date, local_hour, provider, status, direction"
_GIVEN = f"""
unnest(%s::uuid[], %s::date[], %s::int[], %s::text[], %s::text[], %s::text[], %s::bigint[],
       %s::bigint[], %s::numeric[]) AS given ({_KEYS}, calls, timed_calls, duration_seconds)
"""
# Rows are made empty first: what is taken away cannot be inserted, being negative.
_MAKE = f"""
INSERT INTO usage_callrollup ({_KEYS}, calls, timed_calls, duration_seconds)
SELECT {_KEYS}, 0, 0, 0 FROM {_GIVEN} ON CONFLICT DO NOTHING
"""  # noqa: S608 - constants are all that goes in
# Locked in the order of keys, so that batches that touch the same rows cannot deadlock.
_ADD = f"""
WITH locked AS (
    SELECT rollup.id, given.calls, given.timed_calls, given.duration_seconds
      FROM {_GIVEN} JOIN usage_callrollup AS rollup USING ({_KEYS})
     ORDER BY {_KEYS} FOR UPDATE OF rollup
)
UPDATE usage_callrollup AS rollup
   SET calls = rollup.calls + locked.calls,
       timed_calls = rollup.timed_calls + locked.timed_calls,
       duration_seconds = rollup.duration_seconds + locked.duration_seconds
  FROM locked WHERE rollup.id = locked.id
"""  # noqa: S608 - constants are all that goes in


def add_to_rollups(changes: dict[CallKind, list[Decimal]]) -> None:
    rows = sorted(
        (*kind, int(calls), int(timed), seconds)
        for kind, (calls, timed, seconds) in changes.items()
        if calls or timed or seconds
    )
    if rows:
        columns = [list(column) for column in zip(*rows, strict=True)]
        with connection.cursor() as cursor:
            cursor.execute(_MAKE, columns)
            cursor.execute(_ADD, columns)


_RECOUNT = """
INSERT INTO usage_callrollup (
    workspace_id, local_date, local_hour, provider, status, direction, calls, timed_calls,
    duration_seconds)
SELECT workspace_id, local_date, local_hour, provider, status, direction, count(*),
       count(duration_seconds) FILTER (WHERE status <> 'in_progress'),
       coalesce(sum(duration_seconds) FILTER (WHERE status <> 'in_progress'), 0)
  FROM usage_call WHERE workspace_id = %s
 GROUP BY workspace_id, local_date, local_hour, provider, status, direction
"""


def rebuild_call_rollups(*, workspace_id: UUID) -> None:
    """Count the workspace's calls anew; calls that come in meanwhile wait."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE usage_callrollup IN SHARE ROW EXCLUSIVE MODE")
        cursor.execute("DELETE FROM usage_callrollup WHERE workspace_id = %s", [workspace_id])
        cursor.execute(_RECOUNT, [workspace_id])
