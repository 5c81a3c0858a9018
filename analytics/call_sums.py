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


_HOURS = ", ".join(f"sum(by_hour[{place}])" for place in range(1, 25))
# By day and outcome, by provider, and by hour, in one pass over the rows of their days.
_CALLS = f"""
WITH counted AS MATERIALIZED (
    SELECT local_date, status, direction, provider, calls, timed_calls, duration_seconds, by_hour
      FROM usage_callrollup
     WHERE workspace_id = %s AND local_date >= %s AND local_date < %s AND calls > 0
)
SELECT local_date, status, direction, NULL AS provider, sum(calls)::bigint,
       sum(timed_calls)::bigint, sum(duration_seconds), NULL::bigint[] AS by_hour
  FROM counted GROUP BY local_date, status, direction
 UNION ALL
SELECT NULL, NULL, NULL, provider, sum(calls)::bigint, NULL, NULL, NULL
  FROM counted GROUP BY provider
 UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL,
       ARRAY[{_HOURS}]
  FROM counted
"""  # noqa: S608 - numbers are all that goes in


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
    for day, status, direction, provider, count, timed, seconds, hours in rows:
        if hours is not None:
            calls.by_hour = Counter(
                {hour: started for hour, started in enumerate(hours) if started}
            )
        elif provider is not None:
            calls.by_provider[provider] = count
        else:
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


_PRICES_OF_CALLS = """
SELECT extract(isodow FROM local_date)::int, local_hour, sum(price)
  FROM usage_callpricerollup
 WHERE workspace_id = %s AND local_date >= %s AND local_date < %s
 GROUP BY 1, 2
"""


def prices_of_calls_between(
    workspace_id: UUID, first: dt.date, until: dt.date
) -> dict[tuple[int, int], Decimal]:
    """What calls of the days `[first, until)` cost by the weekday, Monday being 1, and the hour in
    which they started, where it is anything. One query."""
    rows = read_rows(_PRICES_OF_CALLS, [workspace_id, first, until])
    return {(weekday, hour): price for weekday, hour, price in rows if price}
