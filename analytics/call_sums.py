"""Figures of a workspace's calls, read from rollups only, by the day and hour of its clock."""

import datetime as dt
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

from analytics.queries import read_rows
from billing.money import ZERO
from usage.models import Call


@dataclass
class Calls:
    """The calls that started in a stretch of days; durations in seconds, of ended calls."""

    total: int = 0
    # Ended calls whose duration is known, and the sum of these.
    timed: int = 0
    duration_seconds: Decimal = ZERO
    by_status: Counter[str] = field(default_factory=Counter)
    by_direction: Counter[str] = field(default_factory=Counter)
    by_provider: Counter[str] = field(default_factory=Counter)
    by_hour: Counter[int] = field(default_factory=Counter)
    by_status_and_day: dict[str, Counter[dt.date]] = field(
        default_factory=lambda: defaultdict(Counter)
    )

    @property
    def ended(self) -> int:
        return self.total - self.by_status[Call.Status.IN_PROGRESS]

    @property
    def success_rate(self) -> Decimal | None:
        """Completed calls as a fraction of all that have ended; None when none has."""
        return Decimal(self.by_status[Call.Status.COMPLETED]) / self.ended if self.ended else None

    @property
    def average_seconds(self) -> Decimal | None:
        """Of ended calls whose duration is known; None when there is none."""
        return self.duration_seconds / self.timed if self.timed else None


# By day and outcome, and by hour and provider, in one pass: a few hundred rows for a month, where
# all dimensions at once would be thousands.
_CALLS = """
SELECT local_date, status, direction, local_hour, provider, sum(calls)::bigint,
       sum(timed_calls)::bigint, sum(duration_seconds)
  FROM usage_callrollup
 WHERE workspace_id = %s AND local_date >= %s AND local_date < %s AND calls > 0
 GROUP BY GROUPING SETS ((local_date, status, direction), (local_hour, provider))
"""


_CALL_SUMS = """
SELECT coalesce(sum(calls), 0)::bigint, coalesce(sum(timed_calls), 0)::bigint,
       coalesce(sum(duration_seconds), 0)
  FROM usage_callrollup
 WHERE workspace_id = %s AND local_date >= %s AND local_date < %s
"""


def calls_between(workspace_id: UUID, first: dt.date, until: dt.date) -> Calls:
    """Calls of the days `[first, until)` on the workspace's clock. One query."""
    calls = Calls()
    rows = read_rows(_CALLS, [workspace_id, first, until])
    for day, status, direction, hour, provider, count, timed, seconds in rows:
        if day is None:
            calls.by_hour[hour] += count
            calls.by_provider[provider] += count
            continue
        calls.total += count
        calls.timed += timed
        calls.duration_seconds += seconds
        calls.by_status[status] += count
        calls.by_direction[direction] += count
        calls.by_status_and_day[status][day] += count
    return calls


def call_sums_between(workspace_id: UUID, first: dt.date, until: dt.date) -> Calls:
    """The same without any breakdown. One query."""
    ((total, timed, seconds),) = read_rows(_CALL_SUMS, [workspace_id, first, until])
    return Calls(total, timed, seconds)
