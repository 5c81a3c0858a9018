"""Net amounts: what periods come to beyond their records' list prices, asked of the database.

Running periods are worked out from their rollups, closed ones are read as the close froze them.
Periods without meters (`BillingPeriod.has_meters`) cost nothing here.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterable
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Sum
from django.dispatch import receiver

from billing import months
from billing.models import BillingPeriod
from billing.money import EXACT, ZERO
from billing.prepared import array, prepared_cursor
from billing.recorded_rates import prices_by_rate
from billing.signals import adjustments_asked
from usage.models import PeriodMeter, UsageRollup
from usage.queries.meters import (
    Meter,
    RateSum,
    added_up,
    line_from_json,
    meter_adjustment,
    metered_prices,
    meters_from,
)

# A period, and what one rate priced in it: billed units and list prices.
_PeriodSum = tuple[UUID, UUID, Decimal, Decimal]

# Plan: for each period one range scan of the rollups' unique index, then one hash aggregate.
_BY_RATE = """
SELECT billing_period_id, rate_id, sum(billed_quantity), sum(final_cost)
  FROM usage_usagerollup
 WHERE billing_period_id = ANY(%s::uuid[]) AND rate_id IS NOT NULL
 GROUP BY billing_period_id, rate_id
"""


def adjustments_of(period_ids: Collection[UUID]) -> dict[UUID, Decimal]:
    """What the meters of open periods add to their list prices now. One query, and at times two
    for prices; none without periods."""
    if not period_ids:
        return {}
    with prepared_cursor() as cursor:
        ids = array([each.hex for each in period_ids])
        cursor.execute(_BY_RATE, [ids], prepare=True)
        rows = cursor.fetchall()
    return added_by_meters(rows)


def added_by_meters(sums: Collection[_PeriodSum]) -> dict[UUID, Decimal]:
    """Of each period that has meters among the sums."""
    rates = metered_prices({rate_id for _, rate_id, _, _ in sums})
    found: dict[UUID, Decimal] = {}
    for period_id, rate_id, billed, listed in sums:
        if rate_id in rates:
            added = meter_adjustment(rates[rate_id].price, billed=billed, listed=listed)
            found[period_id] = EXACT.add(found.get(period_id, ZERO), added)
    return found


@receiver(adjustments_asked, dispatch_uid="usage.adjustments")
def _answer_adjustments(
    sender: Any, *, period_ids: Collection[UUID], **kwargs: Any
) -> dict[UUID, Decimal]:
    return adjustments_of(period_ids)


# Of one moment: usage that goes on changes both sums. Periods without meters have no row.
_NET = """
SELECT period.id,
       (SELECT sum(counter.final_cost) FROM billing_periodcounter AS counter
         WHERE counter.period_id = period.id),
       rolled.rate_id, rolled.billed, rolled.listed
  FROM billing_billingperiod AS period
  LEFT JOIN LATERAL (
       SELECT rollup.rate_id, sum(rollup.billed_quantity) AS billed,
              sum(rollup.final_cost) AS listed
         FROM usage_usagerollup AS rollup
        WHERE rollup.billing_period_id = period.id AND rollup.rate_id IS NOT NULL
        GROUP BY rollup.rate_id) AS rolled ON true
 WHERE period.id = ANY(%s::uuid[]) AND period.has_meters
"""


def net_spends(period_ids: Collection[UUID]) -> dict[UUID, Decimal]:
    """What has been spent in each of the open periods that have meters: counters and adjustments.

    One query, and at times two for prices; none without periods.
    """
    if not period_ids:
        return {}
    with prepared_cursor() as cursor:
        ids = array([each.hex for each in period_ids])
        cursor.execute(_NET, [ids], prepare=True)
        rows = cursor.fetchall()
    spends: dict[UUID, Decimal] = {row[0]: row[1] or ZERO for row in rows}
    sums = [(row[0], *row[2:]) for row in rows if row[2] is not None]
    for period_id, added in added_by_meters(sums).items():
        spends[period_id] = EXACT.add(spends[period_id], added)
    return spends


def live_meters(periods: Iterable[BillingPeriod]) -> dict[UUID, list[Meter]]:
    """The meters of each period as its rollups say now. One query; none without meters."""
    metered = {period.pk: period for period in periods if period.has_meters}
    if not metered:
        return {}
    rows = (
        UsageRollup.objects.filter(billing_period__in=metered, rate_id__isnull=False)
        .order_by()
        .values_list("billing_period_id", "rate_id", "usage_date")
        .annotate(Sum("billed_quantity"), Sum("final_cost"))
    )
    sums: dict[UUID, list[RateSum]] = defaultdict(list)
    for period_id, rate_id, day, billed, listed in rows:
        sums[period_id].append(
            RateSum(rate_id, late_month(metered[period_id], day), billed, listed)
        )
    return {period_id: meters_from(added_up(found)) for period_id, found in sums.items()}


def late_month(period: BillingPeriod, day: dt.date) -> dt.date | None:
    """None for a day of the period itself, on its workspace's calendar."""
    zone = period.workspace.zone
    first = months.local_date(period.period_start, zone)
    until = months.local_date(period.period_end, zone)
    return None if first <= day < until else day.replace(day=1)


def frozen_meters(period_ids: Collection[UUID]) -> dict[UUID, list[Meter]]:
    """The meters of closed periods as the close wrote them. One query; none without periods."""
    found: dict[UUID, list[Meter]] = defaultdict(list)
    if not period_ids:
        return found
    rows = list(PeriodMeter.objects.filter(billing_period__in=period_ids))
    rates = prices_by_rate({row.rate_id for row in rows})
    used: dict[tuple[UUID, UUID], Decimal] = defaultdict(Decimal)
    for row in rows:
        price = rates[row.rate_id].price if row.rate_id in rates else None
        included = price.included if price else ZERO
        before = used[row.billing_period_id, row.rate_id]
        after = before + row.billed_quantity
        used[row.billing_period_id, row.rate_id] = after
        found[row.billing_period_id].append(
            Meter(
                row.rate_id,
                row.usage_month,
                row.resource_type,
                row.description.partition(":")[0],
                row.description,
                row.billed_quantity,
                row.list_amount,
                row.adjustment,
                [line_from_json(each) for each in row.lines],
                included or None,
                min(included, max(after, ZERO)) - min(included, max(before, ZERO)),
            )
        )
    return found
