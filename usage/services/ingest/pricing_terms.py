"""What the workspaces of a batch are priced and limited by, and which periods take its records."""

import datetime as dt
import time
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import connection

from billing import months
from billing.costs import CostBook, read_cost_book
from billing.prepared import prepared_cursor
from billing.pricing import PriceList, price_lists
from billing.rating import markup_factor
from usage.services.ingest.entries import PeriodDay

# One row for each open period of each workspace; a workspace without one has a row of nulls.
# `xmin` is the transaction that wrote a row's present version: `writing` compares it.
#
# Plan: primary key and index look-ups for the workspaces named, no table is scanned. No locks.
_TERMS = """
SELECT replace(workspace.id::text, '-', ''),
       workspace.xmin::text,
       settings.xmin::text,
       platform.xmin::text,
       revision.xmin::text,
       revision.id IS NOT NULL AND (
           EXISTS (SELECT FROM billing_priceoverride AS own
                    WHERE own.workspace_id = workspace.id)
        OR EXISTS (SELECT FROM billing_ratecardassignment AS used
                    WHERE used.workspace_id = workspace.id)
        OR EXISTS (SELECT FROM billing_ratecardassignment AS used
                    WHERE used.tier_id = workspace.tier_id
                      AND used.currency = workspace.currency)),
       EXISTS (SELECT FROM usage_voiceagent AS agent WHERE agent.workspace_id = workspace.id),
       workspace.status = 'closed',
       workspace.timezone,
       workspace.currency,
       coalesce(settings.markup_percentage, platform.value, 20.0000),
       settings.usage_limit_monthly IS NOT NULL,
       (SELECT max(closed.period_end) FROM billing_billingperiod AS closed
         WHERE closed.workspace_id = workspace.id AND closed.status <> 'current'),
       replace(period.id::text, '-', ''),
       period.period_start,
       period.period_end,
       period.has_meters
  FROM billing_workspace AS workspace
  JOIN billing_workspacebillingsettings AS settings ON settings.workspace_id = workspace.id
  LEFT JOIN billing_platformsetting AS platform ON platform.name = 'pricing_markup_percentage'
  LEFT JOIN billing_pricerevision AS revision ON revision.id = 1
  LEFT JOIN billing_billingperiod AS period
    ON period.workspace_id = workspace.id AND period.status = 'current'
 WHERE workspace.id = ANY(%s::uuid[])
 ORDER BY workspace.id, period.period_start
"""


# Transaction ids come round after four thousand million; nothing is kept nearly that long.
MAX_AGE_SECONDS = 600.0


class OpenPeriod(NamedTuple):
    id: str
    start: dt.datetime
    end: dt.datetime


class Versions(NamedTuple):
    """Which versions of the rows terms were read from: `xmin` of the workspace, of its billing
    settings, of the platform's markup (None: there is no such row), and of what tells that prices
    of rate cards or overrides have changed (None: there never was one)."""

    workspace: str
    settings: str
    platform: str | None
    prices: str | None


class PricingTerms:
    """One workspace as it was read. A record has the price of `prices`, where there are any and one
    matches; else `factor` times its cost. `costs` are everybody's."""

    def __init__(
        self,
        *,
        versions: Versions,
        closed: bool,
        timezone: str,
        currency: str,
        markup: Decimal,
        is_limited: bool,
        closed_until: dt.datetime | None,
        prices: PriceList | None,
        has_agents: bool,
        costs: CostBook | None,
        read_at: float,
    ) -> None:
        self.versions = versions
        self.is_closed = closed
        self.zone = ZoneInfo(timezone)
        self.currency = currency
        self.markup = format(markup, "f")
        self.factor = markup_factor(markup)
        self.prices = prices
        # The first agent of a workspace makes a new version of its row.
        self.has_agents = has_agents
        self.costs = costs
        self.is_limited = is_limited
        self.closed_until = closed_until
        self.read_at = read_at
        self.periods: list[OpenPeriod] = []
        # Of these, the ones that are known to have meters, and the ones whose limit was last found
        # near: ids.
        self.metered: frozenset[str] = frozenset()
        self.near: frozenset[str] = frozenset()
        # Records come in the order of their time, more or less: most enter where the last did.
        self._last: PeriodDay | None = None

    def period_day(self, occurred_at: dt.datetime) -> PeriodDay | None:
        """The open period that holds the time; else, for a time before the end of the last closed
        period, the earliest open one; else None: a period must be opened first."""
        last = self._last
        if last is not None and last.start <= occurred_at < last.end:
            return last
        for period in self.periods:
            if period.start <= occurred_at < period.end:
                name, start, end = _day(self.zone, occurred_at)
                self._last = PeriodDay(
                    period.id, name, False, max(start, period.start), min(end, period.end)
                )
                return self._last
        if self.closed_until is not None and occurred_at < self.closed_until and self.periods:
            name, start, _ = _day(self.zone, occurred_at)
            return PeriodDay(self.periods[0].id, name, True, start, start)
        return None

    def must_open_at(self, occurred_at: dt.datetime) -> dt.datetime:
        """Which time's period to open for a record that `period_day` found none for."""
        if self.closed_until is not None and occurred_at < self.closed_until:
            # Late, and nothing is open: what follows the last closed period.
            return self.closed_until
        return occurred_at


def _day(zone: ZoneInfo, at: dt.datetime) -> tuple[str, dt.datetime, dt.datetime]:
    return _day_of(zone, months.local_date(at, zone))


# Workspaces share a few timezones, and batches a few days.
@lru_cache(maxsize=4096)
def _day_of(zone: ZoneInfo, date: dt.date) -> tuple[str, dt.datetime, dt.datetime]:
    """A day's name, its first moment and the next day's."""
    following = date + dt.timedelta(days=1)
    return date.isoformat(), months.midnight(date, zone), months.midnight(following, zone)


def read_pricing_terms(workspace_ids: Sequence[str]) -> dict[str, PricingTerms]:
    """By workspace id (32 hex digits), as the database has them now; unknown ones are missing."""
    read_at = time.monotonic()
    found: dict[str, PricingTerms] = {}
    with prepared_cursor() as cursor:
        cursor.execute(_TERMS, [list(workspace_ids)], prepare=True)
        rows = cursor.fetchall()
        # Read after their revision: newer ones are found out when it is compared.
        lists = price_lists({UUID(row[0]) for row in rows if row[5]})
        costs = _cost_books.at(rows[0][4]) if rows else None
        for row in rows:
            workspace, own, settings, platform, revision, _, has_agents, closed = row[:8]
            timezone, currency, markup, limited, until, period, start, end, metered = row[8:]
            terms = found.get(workspace)
            if terms is None:
                terms = found[workspace] = PricingTerms(
                    versions=Versions(own, settings, platform, revision),
                    closed=closed,
                    timezone=timezone,
                    currency=currency,
                    markup=markup,
                    is_limited=limited,
                    closed_until=until,
                    prices=lists.get(UUID(workspace)) if lists else None,
                    has_agents=has_agents,
                    costs=costs,
                    read_at=read_at,
                )
            if period is not None:
                terms.periods.append(OpenPeriod(period, start, end))
                if metered:
                    terms.metered |= {period}
    return found


class _CostBooks:
    """The cost card as this process last read it: one for all workspaces, for it may be long."""

    def __init__(self) -> None:
        self._revision: str | None = None
        self._read_at = 0.0
        self._book: CostBook | None = None

    def at(self, revision: str | None) -> CostBook | None:
        """As it is now; what is kept holds while the revision of all prices (its `xmin`) does."""
        if revision is None:
            return None
        if connection.in_atomic_block:
            return read_cost_book()
        now = time.monotonic()
        if self._revision != revision or self._read_at < now - MAX_AGE_SECONDS:
            self._book = read_cost_book()
            self._revision, self._read_at = revision, now
        return self._book


_cost_books = _CostBooks()


class PricingTermsCache:
    """Pricing terms from one batch to the next, in one process.

    They may be out of date at any time: whoever writes by them has the database compare their
    versions and their periods in the same statement, and reads again when it refuses. Only what
    can be compared is kept: a workspace that is missing or closed is asked for each time.
    """

    _MAX_WORKSPACES = 20_000

    def __init__(self) -> None:
        self._terms: dict[str, PricingTerms] = {}

    def of(self, workspace_ids: Sequence[str]) -> tuple[dict[str, PricingTerms], bool]:
        """Pricing terms by workspace id, and whether all of them were read just now."""
        # Row versions tell apart what was committed, not the steps of a transaction under way.
        if connection.in_atomic_block:
            return read_pricing_terms(workspace_ids), True
        oldest = time.monotonic() - MAX_AGE_SECONDS
        found: dict[str, PricingTerms] = {}
        missing: list[str] = []
        for workspace_id in workspace_ids:
            terms = self._terms.get(workspace_id)
            if terms is None or terms.read_at < oldest:
                missing.append(workspace_id)
            else:
                found[workspace_id] = terms
        if missing:
            found |= self.read(missing)
        return found, len(missing) == len(workspace_ids)

    def read(self, workspace_ids: Sequence[str]) -> dict[str, PricingTerms]:
        """Terms as they are now, kept from here on; unknown workspaces are missing."""
        read = read_pricing_terms(workspace_ids)
        if connection.in_atomic_block:
            return read
        if len(self._terms) + len(read) > self._MAX_WORKSPACES:
            self._terms.clear()
        for workspace_id, terms in read.items():
            if terms.is_closed:
                self._terms.pop(workspace_id, None)
            else:
                self._terms[workspace_id] = terms
        return read
