"""Reading what workspaces are priced and limited by, and which of their periods are open."""

import time
from collections.abc import Sequence
from uuid import UUID

from django.db import connection

from billing.costs import CostBook, read_cost_book
from billing.prepared import prepared_cursor
from billing.pricing import price_lists
from usage.services.ingest.pricing import OpenPeriod, PricingTerms, Versions

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
