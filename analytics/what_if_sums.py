"""Sums of past months that what-if prices anew, read from rollups by type, provider and rate."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from billing.errors import BillingError
from billing.replica import reading_connection


class NeedsRecords(BillingError):
    """What rollups cannot answer, of more records than are summed while someone waits."""

    status = 422
    code = "needs_records"


@dataclass(frozen=True)
class WhatIfScope:
    """Months `[first, until)` by their first days, of workspaces that pay in `currency`; all of
    them, or those named."""

    currency: str
    first: dt.date
    until: dt.date
    workspace_ids: Sequence[UUID] | None = None


def month_count(first: dt.date, last: dt.date) -> int:
    """Of the months from that of `first` to that of `last`, both counted."""
    return (last.year - first.year) * 12 + last.month - first.month + 1


class PricedSum(NamedTuple):
    """The records of one kind, priced by one rate, in one period."""

    period_id: UUID
    workspace_id: UUID
    resource_type: str
    provider: str
    rate_id: UUID | None
    records: int
    quantity: Decimal
    billed: Decimal
    cost: Decimal
    listed: Decimal
    first_day: dt.date
    last_day: dt.date

    @property
    def key(self) -> tuple[UUID, str, str, UUID | None]:
        return self.period_id, self.resource_type, self.provider, self.rate_id


# A period is the month that holds its start on its workspace's clock: at most 14 hours ahead of UTC
# and 12 behind.
_SUMS = """
SELECT period.id, period.workspace_id, rollup.resource_type, rollup.provider, rollup.rate_id,
       sum(rollup.records)::bigint, sum(rollup.quantity),
       sum(rollup.billed_quantity), sum(rollup.total_cost), sum(rollup.final_cost),
       min(rollup.usage_date), max(rollup.usage_date)
  FROM billing_billingperiod AS period
  JOIN billing_workspace AS owner ON owner.id = period.workspace_id
  JOIN usage_usagerollup AS rollup ON rollup.billing_period_id = period.id
 WHERE period.period_start >= %(first)s::date::timestamp AT TIME ZONE 'UTC' - interval '14 hours'
   AND period.period_start < %(until)s::date::timestamp AT TIME ZONE 'UTC' - interval '14 hours'
   AND owner.currency = %(currency)s
   AND (%(workspaces)s::uuid[] IS NULL OR owner.id = ANY(%(workspaces)s::uuid[]))
 GROUP BY 1, 2, 3, 4, 5
"""


def sums_of(scope: WhatIfScope) -> list[PricedSum]:
    with reading_connection().cursor() as cursor:
        cursor.execute(
            _SUMS,
            {
                "first": scope.first,
                "until": scope.until,
                "currency": scope.currency,
                "workspaces": None if scope.workspace_ids is None else list(scope.workspace_ids),
            },
        )
        return [PricedSum(*row) for row in cursor]
