"""Rollups of calls: how many, and how long, on each day of the workspace's clock."""

import datetime as dt
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from django.db import connection, transaction

from usage.models import Call
from usage.models.calls import no_calls


class CallKind(NamedTuple):
    """What a rollup row of calls is about, in the order of its unique constraint."""

    workspace_id: UUID
    local_date: dt.date
    provider: str
    status: str
    direction: str


@dataclass(slots=True)
class CallChange:
    """What calls change of their row: ended ones and their seconds, and all of them by hour."""

    timed_calls: int = 0
    seconds: Decimal = Decimal(0)
    by_hour: list[int] = field(default_factory=no_calls)

    @property
    def is_nothing(self) -> bool:
        return not (self.timed_calls or self.seconds or any(self.by_hour))


def count_call(changes: dict[CallKind, CallChange], call: Call, sign: int) -> None:
    """Add a call to the changes of its kind, or take it away."""
    kind = CallKind(call.workspace_id, call.local_date, call.provider, call.status, call.direction)
    change = changes[kind]
    change.by_hour[call.local_hour] += sign
    if call.status != Call.Status.IN_PROGRESS and call.duration_seconds is not None:
        change.timed_calls += sign
        change.seconds += sign * call.duration_seconds


_KEYS = "workspace_id, local_date, provider, status, direction"
# Arrays in an array would be taken apart too: each is given as its text.
_GIVEN = f"""
unnest(%s::uuid[], %s::date[], %s::text[], %s::text[], %s::text[], %s::bigint[], %s::bigint[],
       %s::numeric[], %s::text[]) AS given ({_KEYS}, calls, timed_calls, duration_seconds, by_hour)
"""
# Rows are made empty first: what is taken away cannot be inserted, being negative.
_MAKE = f"""
INSERT INTO usage_callrollup ({_KEYS}, calls, timed_calls, duration_seconds, by_hour)
SELECT {_KEYS}, 0, 0, 0, array_fill(0, ARRAY[24]) FROM {_GIVEN} ON CONFLICT DO NOTHING
"""  # noqa: S608 - constants are all that goes in
# Locked in the order of keys, so that batches that touch the same rows cannot deadlock.
_ADD = f"""
WITH locked AS (
    SELECT rollup.id, given.calls, given.timed_calls, given.duration_seconds,
           given.by_hour::int[] AS by_hour
      FROM {_GIVEN} JOIN usage_callrollup AS rollup USING ({_KEYS})
     ORDER BY {_KEYS} FOR UPDATE OF rollup
)
UPDATE usage_callrollup AS rollup
   SET calls = rollup.calls + locked.calls,
       timed_calls = rollup.timed_calls + locked.timed_calls,
       duration_seconds = rollup.duration_seconds + locked.duration_seconds,
       by_hour = ARRAY(SELECT was + change
                         FROM unnest(rollup.by_hour, locked.by_hour)
                              WITH ORDINALITY AS hours (was, change, hour)
                        ORDER BY hour)
  FROM locked WHERE rollup.id = locked.id
"""  # noqa: S608 - constants are all that goes in


def add_to_rollups(changes: dict[CallKind, CallChange]) -> None:
    rows = sorted(
        (
            *kind,
            sum(change.by_hour),
            change.timed_calls,
            change.seconds,
            f"{{{','.join(map(str, change.by_hour))}}}",
        )
        for kind, change in changes.items()
        if not change.is_nothing
    )
    if rows:
        columns = [list(column) for column in zip(*rows, strict=True)]
        with connection.cursor() as cursor:
            cursor.execute(_MAKE, columns)
            cursor.execute(_ADD, columns)


_HOURS = ", ".join(
    f"coalesce(sum(calls) FILTER (WHERE local_hour = {hour}), 0)::int" for hour in range(24)
)
# The rows that the calls make of `workspace`, or of all where that is NULL: counted by hour first,
# which are few.
COUNTED_CALLS = f"""
SELECT {_KEYS}, sum(calls)::bigint AS calls, sum(timed_calls)::bigint AS timed_calls,
       sum(seconds) AS duration_seconds, ARRAY[{_HOURS}] AS by_hour
  FROM (SELECT {_KEYS}, local_hour, count(*) AS calls,
               count(duration_seconds) FILTER (WHERE status <> 'in_progress') AS timed_calls,
               coalesce(sum(duration_seconds) FILTER (WHERE status <> 'in_progress'), 0) AS seconds
          FROM usage_call
         WHERE %(workspace)s::uuid IS NULL OR workspace_id = %(workspace)s
         GROUP BY {_KEYS}, local_hour) AS of_hours
 GROUP BY {_KEYS}
"""  # noqa: S608 - constants are all that goes in
_RECOUNT = f"""
INSERT INTO usage_callrollup ({_KEYS}, calls, timed_calls, duration_seconds, by_hour)
{COUNTED_CALLS}
"""


def rebuild_call_rollups(*, workspace_id: UUID) -> None:
    """Count the workspace's calls anew; calls that come in meanwhile wait."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE usage_callrollup IN SHARE ROW EXCLUSIVE MODE")
        cursor.execute("DELETE FROM usage_callrollup WHERE workspace_id = %s", [workspace_id])
        cursor.execute(_RECOUNT, {"workspace": workspace_id})
