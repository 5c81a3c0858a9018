"""Figures of a workspace's spend, read from rollups only.

The one source of totals, breakdowns and rates: the API, the owner's pages and their charts all
take them from here. Rollups are kept by the day of the workspace's clock, so that nothing here
converts a time. Amounts are what the workspace pays, in its currency,
unrounded: of each use its list price, of a period the net, which is those and what its meters add
(`usage.queries.meters`).
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from analytics.forecast import MeterPace
from billing import months
from billing.models import BillingPeriod
from billing.money import EXACT, ZERO
from billing.prepared import page_cursor
from billing.rating.bills import charged, period_charges
from billing.rating.charges import ChargeKind, PeriodTerms
from billing.replica import reading_connection
from usage.queries.meters import Meter, RateSum, added_up, metered_prices, meters_from
from usage.queries.net import frozen_meters, late_month

_T = TypeVar("_T", int, Decimal)


class SpendRow(NamedTuple):
    day: dt.date
    resource_type: str
    provider: str
    quantity: Decimal
    cost: Decimal
    rate_id: UUID | None = None
    billed: Decimal = ZERO
    records: int = 0
    # The lowest id of the rollups that it sums up: another once they were built anew.
    lowest_id: int = 0


class Spend:
    """Usage by each of its dimensions, at list price; `meters` say what the period adds to it."""

    def __init__(self, rows: Iterable[SpendRow], meters: Sequence[Meter] = ()) -> None:
        self.rows = list(rows)
        self.meters = list(meters)
        self.adjustment = sum((meter.adjustment for meter in meters), ZERO)
        self.total = sum((row.cost for row in self.rows), ZERO)
        self.by_day: dict[dt.date, Decimal] = defaultdict(Decimal)
        self.by_type: dict[str, Decimal] = defaultdict(Decimal)
        self.by_provider: dict[str, Decimal] = defaultdict(Decimal)
        self.quantities: dict[str, Decimal] = defaultdict(Decimal)
        for row in self.rows:
            self.by_day[row.day] += row.cost
            self.by_type[row.resource_type] += row.cost
            self.by_provider[row.provider] += row.cost
            self.quantities[row.resource_type] += row.quantity

    @property
    def net(self) -> Decimal:
        return self.total + self.adjustment

    def until(self, day: dt.date) -> "Spend":
        """Its part up to and including `day`."""
        rows = [row for row in self.rows if row.day <= day]
        return Spend(rows, meters_from(rate_sums(rows)) if self.meters else ())

    def state_of(self, first: dt.date, until: dt.date) -> tuple[int, str, int]:
        """How usage of the days `[first, until)` stands: another after any record of them."""
        rows = [row for row in self.rows if first <= row.day < until]
        cost = sum((row.cost for row in rows), ZERO)
        lowest = min((row.lowest_id for row in rows), default=0)
        return sum(row.records for row in rows), str(cost), lowest

    def net_by_day(self) -> dict[dt.date, Decimal]:
        """How much of the net came with each day, in the order of days."""
        if not self.meters:
            return dict(sorted(self.by_day.items()))
        days: dict[dt.date, list[SpendRow]] = defaultdict(list)
        for row in self.rows:
            days[row.day].append(row)
        found: dict[dt.date, Decimal] = {}
        sums: list[RateSum] = []
        before = ZERO
        for day in sorted(days):
            sums = added_up([*sums, *rate_sums(days[day])])
            adjustment = sum((meter.adjustment for meter in meters_from(sums)), ZERO)
            found[day] = self.by_day[day] + adjustment - before
            before = adjustment
        return found

    def paces(self, full_days: Sequence[dt.date]) -> list[MeterPace]:
        """Each meter as it stands, and what it took on each of these days."""
        prices = (
            metered_prices(row.rate_id for row in self.rows if row.rate_id) if self.meters else {}
        )
        found = []
        for rate_id, rate in prices.items():
            rows = [row for row in self.rows if row.rate_id == rate_id]
            days = dict.fromkeys(full_days, (ZERO, ZERO))
            for row in rows:
                if row.day in days:
                    billed, listed = days[row.day]
                    days[row.day] = billed + row.billed, listed + row.cost
            billed = sum((row.billed for row in rows), ZERO)
            listed = sum((row.cost for row in rows), ZERO)
            found.append(MeterPace(rate.price, billed, listed, list(days.values())))
        return found

    def by_type_and_day(self) -> dict[str, dict[dt.date, Decimal]]:
        costs: dict[str, dict[dt.date, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
        for row in self.rows:
            costs[row.resource_type][row.day] += row.cost
        return costs


def rate_sums(
    rows: Iterable[SpendRow], month_of: Callable[[dt.date], dt.date | None] = lambda day: None
) -> list[RateSum]:
    """One sum for each rate; with `month_of`, for each that tells which month a day is late for."""
    return added_up(
        RateSum(row.rate_id, month_of(row.day), row.billed, row.cost)
        for row in rows
        if row.rate_id is not None
    )


# Statements of their own: making them from querysets takes longer than running them.
_SPEND = """
SELECT billing_period_id, usage_date, resource_type, provider, sum(quantity), sum(final_cost),
       rate_id, sum(billed_quantity), sum(records)::bigint, min(id)
  FROM usage_usagerollup
 WHERE {which}
 GROUP BY billing_period_id, usage_date, resource_type, provider, rate_id
 ORDER BY usage_date
"""
_SPEND_OF_PERIODS = _SPEND.format(which="billing_period_id = ANY(%s)")
_SPEND_OF_DAYS = _SPEND.format(which="workspace_id = %s AND usage_date >= %s AND usage_date < %s")


def spend_of_periods(periods: Sequence[BillingPeriod]) -> dict[UUID, Spend]:
    """The spend billed in each period, late usage included.

    One query, and one for the meters of closed periods that have some; those of a running one are
    worked out from the very rows beside them, so that what is shown together adds up.
    """
    rows: dict[UUID, list[SpendRow]] = {period.pk: [] for period in periods}
    for period_id, *row in read_rows(_SPEND_OF_PERIODS, [list(rows)]):
        rows[period_id].append(SpendRow(*row))
    meters = frozen_meters(
        [period.pk for period in periods if period.has_meters and not period.is_current]
    )
    for period in periods:
        if period.has_meters and period.is_current:
            sums = rate_sums(rows[period.pk], partial(late_month, period))
            meters[period.pk] = meters_from(sums)
    return {period_id: Spend(found, meters.get(period_id, ())) for period_id, found in rows.items()}


def spend_between(workspace_id: UUID, first: dt.date, until: dt.date) -> Spend:
    """The spend of usage that occurred on the days `[first, until)`. One query."""
    found = read_rows(_SPEND_OF_DAYS, [workspace_id, first, until])
    return Spend(SpendRow(*row) for _, *row in found)


def read_rows(statement: str, given: Sequence[Any]) -> list[tuple]:
    with page_cursor(reading_connection()) as cursor:
        cursor.execute(statement, given)
        rows: list[tuple] = cursor.fetchall()
    return rows


class IncludedUnits(NamedTuple):
    description: str
    resource_type: str
    included: Decimal
    used: Decimal


def included_units(meters: Iterable[Meter]) -> list[IncludedUnits]:
    """For each price that includes units, how many of them are used; late usage counts too."""
    found: dict[UUID, IncludedUnits] = {}
    for meter in meters:
        if meter.included is None:
            continue
        known = found.get(meter.rate_id)
        if known is None:
            found[meter.rate_id] = IncludedUnits(
                meter.subject, meter.resource_type, meter.included, meter.included_used
            )
        else:
            found[meter.rate_id] = known._replace(used=known.used + meter.included_used)
    return list(found.values())


@dataclass(frozen=True)
class PeriodTotals:
    """What a period comes to; `discounts` and `credit` are zero or negative."""

    usage: Decimal
    fee: Decimal = ZERO
    add_ons: Decimal = ZERO
    discounts: Decimal = ZERO
    shortfall: Decimal = ZERO
    manual: Decimal = ZERO
    credit: Decimal = ZERO
    reversals_credited: Decimal = ZERO

    @property
    def total(self) -> Decimal:
        besides = self.fee + self.add_ons + self.discounts + self.shortfall + self.manual
        return self.usage + besides + self.credit + self.reversals_credited


def totals_of(period: BillingPeriod, spend: Spend) -> PeriodTotals:
    """`period` comes with its totals (`billing.queries.with_totals`), `spend` is its own.

    The usage of a current period is the sum of its breakdown and not of the counters, which may
    have moved on between two queries: what is shown together adds up.
    """
    if period.is_current:
        return totals_at(period, spend.net)
    return PeriodTotals(
        period.subtotal,
        period.subscription_fee,
        period.add_on_fees,
        period.discounts,
        period.commitment_shortfall,
        period.manual_items,
        period.credit_brought_forward,
        period.reversals_credited,
    )


def totals_at(period: BillingPeriod, usage: Decimal) -> PeriodTotals:
    """What a current period, with its totals, comes to with so much usage."""
    terms: PeriodTerms = period.live_terms  # type: ignore[attr-defined]
    sums = charged(period_charges(terms, EXACT.add(usage, period.reversals_credited)))
    return PeriodTotals(
        usage,
        sums[ChargeKind.SUBSCRIPTION],
        sums[ChargeKind.ADD_ON],
        sums[ChargeKind.DISCOUNT],
        sums[ChargeKind.COMMITMENT],
        sums[ChargeKind.MANUAL],
        period.credit_brought_forward,
        period.reversals_credited,
    )


def largest_first(values: Mapping[str, _T]) -> list[tuple[str, _T]]:
    """Names with their amounts or counts, by name where these are equal."""
    return sorted(values.items(), key=lambda item: (-item[1], item[0]))


def days_of(period: BillingPeriod) -> list[dt.date]:
    """The period's days on the workspace's clock."""
    zone = period.workspace.zone
    first, last = months.first_and_last_day(period.period_start, period.period_end, zone)
    return [first + dt.timedelta(days=turn) for turn in range((last - first).days + 1)]
