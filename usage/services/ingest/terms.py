"""What the workspaces of a batch are priced and limited by, and which periods take its records."""

import datetime as dt
from bisect import bisect_right
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

import psycopg

from billing import months
from billing.models import COUNTER_SLOTS
from billing.rating import markup_factor

# One row for each open period of each workspace; a workspace without one has a row of nulls.
#
# Plan: primary key and index look-ups for the workspaces named, no table is scanned. Locks: none
# on rows. The slot is claimed with an advisory lock that ends with the transaction: batches that
# run at once count in different rows and never wait for each other; with more batches than slots
# the rest share a slot and queue at its rows, in the order of their keys.
_TERMS = f"""
WITH slot AS MATERIALIZED (
    SELECT coalesce(
        (SELECT s FROM generate_series(0, {COUNTER_SLOTS - 1}) AS s
          WHERE pg_try_advisory_xact_lock(hashtext('usage counter slot'), s) LIMIT 1),
        pg_backend_pid() %% {COUNTER_SLOTS}) AS number
), platform AS MATERIALIZED (
    SELECT value FROM billing_platformsetting WHERE name = 'pricing_markup_percentage'
)
SELECT slot.number,
       replace(workspace.id::text, '-', ''),
       workspace.status = 'closed',
       workspace.timezone,
       coalesce(settings.markup_percentage, (SELECT value FROM platform), 20.0000),
       settings.usage_limit_monthly IS NOT NULL,
       (SELECT max(closed.period_end) FROM billing_billingperiod AS closed
         WHERE closed.workspace_id = workspace.id AND closed.status <> 'current'),
       replace(period.id::text, '-', ''),
       period.period_start,
       period.period_end
  FROM slot, billing_workspace AS workspace
  JOIN billing_workspacebillingsettings AS settings ON settings.workspace_id = workspace.id
  LEFT JOIN billing_billingperiod AS period
    ON period.workspace_id = workspace.id AND period.status = 'current'
 WHERE workspace.id = ANY(%s::uuid[])
 ORDER BY workspace.id, period.period_start
"""  # noqa: S608 - a constant is all that goes in


class OpenPeriod(NamedTuple):
    id: str
    start: dt.datetime
    end: dt.datetime


class Routed(NamedTuple):
    """Where a record goes: its period, whether it is late there, its day on the local clock."""

    period_id: str
    late: bool
    usage_date: str


class Terms:
    """One workspace, as of the transaction that read it."""

    def __init__(
        self,
        *,
        closed: bool,
        timezone: str,
        markup: Decimal,
        is_limited: bool,
        closed_until: dt.datetime | None,
    ) -> None:
        self.is_closed = closed
        self.zone = ZoneInfo(timezone)
        self.markup = markup
        self.markup_text = format(markup, "f")
        self.factor = markup_factor(markup)
        self.is_limited = is_limited
        self.closed_until = closed_until
        self.periods: list[OpenPeriod] = []
        self._midnights: list[dt.datetime] = []
        self._dates: list[str] = []

    def route(self, occurred_at: dt.datetime) -> Routed | None:
        """The open period that holds the time; else, for a time before the end of the last closed
        period, the earliest open one; else None: a period must be opened first."""
        for period in self.periods:
            if period.start <= occurred_at < period.end:
                return Routed(period.id, False, self._date(occurred_at))
        if self.closed_until is not None and occurred_at < self.closed_until and self.periods:
            return Routed(self.periods[0].id, True, self._date(occurred_at))
        return None

    def must_open_at(self, occurred_at: dt.datetime) -> dt.datetime:
        """Which time's period to open for a record that `route` found no place for."""
        if self.closed_until is not None and occurred_at < self.closed_until:
            # Late, and nothing is open: what follows the last closed period.
            return self.closed_until
        return occurred_at

    def _date(self, occurred_at: dt.datetime) -> str:
        """The local date; by the midnights of the month at hand, a tenth of a conversion's cost."""
        place = bisect_right(self._midnights, occurred_at)
        if not 0 < place < len(self._midnights):
            first = months.local_date(occurred_at, self.zone).replace(day=1)
            self._midnights, self._dates = _days_of_month(self.zone, first)
            place = bisect_right(self._midnights, occurred_at)
        return self._dates[place - 1]


# Workspaces share a few timezones, and batches a month or two.
@lru_cache(maxsize=2048)
def _days_of_month(zone: ZoneInfo, first: dt.date) -> tuple[list[dt.datetime], list[str]]:
    """When each day of the month begins, the next month's first included, and their names."""
    days = (months.first_of_next_month(first) - first).days
    dates = [first + dt.timedelta(days=day) for day in range(days + 1)]
    return [months.midnight(date, zone) for date in dates], [date.isoformat() for date in dates]


class BatchTerms(NamedTuple):
    slot: int
    workspaces: dict[str, Terms]


def read_terms(cursor: psycopg.Cursor, workspace_ids: Sequence[str]) -> BatchTerms:
    """Terms by workspace id (32 hex digits); unknown workspaces are missing."""
    cursor.execute(_TERMS, [list(workspace_ids)], prepare=True)
    workspaces: dict[str, Terms] = {}
    slot = 0
    for number, workspace, closed, timezone, markup, limited, until, period, start, end in cursor:
        slot = number
        terms = workspaces.get(workspace)
        if terms is None:
            terms = workspaces[workspace] = Terms(
                closed=closed,
                timezone=timezone,
                markup=markup,
                is_limited=limited,
                closed_until=until,
            )
        if period is not None:
            terms.periods.append(OpenPeriod(period, start, end))
    return BatchTerms(slot, workspaces)
