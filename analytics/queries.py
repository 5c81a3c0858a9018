"""Figures of a workspace's spend and calls, read from rollups only.

The one source of totals, breakdowns and rates: the API, the owner's pages and their charts all
take them from here. Rollups are kept by the day and hour of the workspace's clock, so that nothing
here converts a time. Amounts are what the workspace pays, in its currency, unrounded.
"""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple, TypeVar
from uuid import UUID

from django.db.models import QuerySet, Sum

from billing import months
from billing.models import BillingPeriod
from billing.money import ZERO
from billing.rating.bills import charged, period_charges
from billing.rating.charges import ChargeKind, PeriodTerms
from usage.models import Call, CallRollup, UsageRollup

_T = TypeVar("_T", int, Decimal)


class SpendRow(NamedTuple):
    day: dt.date
    resource_type: str
    provider: str
    quantity: Decimal
    cost: Decimal


class Spend:
    """Usage by each of its dimensions."""

    def __init__(self, rows: Iterable[SpendRow]) -> None:
        self.rows = list(rows)
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

    def until(self, day: dt.date) -> "Spend":
        """Its part up to and including `day`."""
        return Spend(row for row in self.rows if row.day <= day)

    def by_type_and_day(self, since: dt.date) -> dict[str, dict[dt.date, Decimal]]:
        costs: dict[str, dict[dt.date, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
        for row in self.rows:
            if row.day >= since:
                costs[row.resource_type][row.day] += row.cost
        return costs

    def before(self, day: dt.date) -> Decimal:
        """Late usage: what days before the period's first cost."""
        return sum((cost for spent, cost in self.by_day.items() if spent < day), ZERO)


def spend_of_periods(period_ids: Sequence[UUID]) -> dict[UUID, Spend]:
    """The spend billed in each period, late usage included. One query."""
    rows: dict[UUID, list[SpendRow]] = {period_id: [] for period_id in period_ids}
    found = _spend_rows(UsageRollup.objects.filter(billing_period__in=period_ids))
    for period_id, *row in found:
        rows[period_id].append(SpendRow(*row))
    return {period_id: Spend(found) for period_id, found in rows.items()}


def spend_between(workspace_id: UUID, first: dt.date, until: dt.date) -> Spend:
    """The spend of usage that occurred on the days `[first, until)`. One query."""
    found = _spend_rows(
        UsageRollup.objects.filter(
            workspace_id=workspace_id, usage_date__gte=first, usage_date__lt=until
        )
    )
    return Spend(SpendRow(*row) for _, *row in found)


def _spend_rows(rollups: QuerySet[UsageRollup]) -> Iterable[tuple]:
    return (
        rollups.values_list("billing_period_id", "usage_date", "resource_type", "provider")
        .annotate(Sum("quantity"), Sum("final_cost"))
        .order_by("usage_date")
    )


@dataclass(frozen=True)
class PeriodTotals:
    """What a period comes to; `discounts` and `credit` are zero or negative."""

    usage: Decimal
    fee: Decimal = ZERO
    add_ons: Decimal = ZERO
    discounts: Decimal = ZERO
    shortfall: Decimal = ZERO
    credit: Decimal = ZERO

    @property
    def total(self) -> Decimal:
        besides = self.fee + self.add_ons + self.discounts + self.shortfall
        return self.usage + besides + self.credit


def totals_of(period: BillingPeriod, spend: Spend) -> PeriodTotals:
    """`period` comes with its totals (`billing.queries.with_totals`), `spend` is its own.

    The usage of a current period is the sum of its breakdown and not of the counters, which may
    have moved on between two queries: what is shown together adds up.
    """
    if period.is_current:
        return totals_at(period, spend.total)
    return PeriodTotals(
        period.subtotal,
        period.subscription_fee,
        period.add_on_fees,
        period.discounts,
        period.commitment_shortfall,
        period.credit_brought_forward,
    )


def totals_at(period: BillingPeriod, usage: Decimal) -> PeriodTotals:
    """What a current period, with its totals, comes to with so much usage."""
    terms: PeriodTerms = period.live_terms  # type: ignore[attr-defined]
    sums = charged(period_charges(terms, usage))
    return PeriodTotals(
        usage,
        sums[ChargeKind.SUBSCRIPTION],
        sums[ChargeKind.ADD_ON],
        sums[ChargeKind.DISCOUNT],
        sums[ChargeKind.COMMITMENT],
        period.credit_brought_forward,
    )


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


def calls_between(workspace_id: UUID, first: dt.date, until: dt.date) -> Calls:
    """Calls of the days `[first, until)` on the workspace's clock.

    Two queries that group the rollup, by day and outcome and by hour and provider: together a few
    hundred rows for a month, where all its dimensions at once would be tens of thousands.
    """
    calls = Calls()
    rollups = CallRollup.objects.filter(
        workspace_id=workspace_id, local_date__gte=first, local_date__lt=until, calls__gt=0
    ).order_by()
    outcomes = rollups.values_list("local_date", "status", "direction").annotate(
        Sum("calls"), Sum("timed_calls"), Sum("duration_seconds")
    )
    for day, status, direction, count, timed, seconds in outcomes:
        calls.total += count
        calls.timed += timed
        calls.duration_seconds += seconds
        calls.by_status[status] += count
        calls.by_direction[direction] += count
        calls.by_status_and_day[status][day] += count
    for hour, provider, count in rollups.values_list("local_hour", "provider").annotate(
        Sum("calls")
    ):
        calls.by_hour[hour] += count
        calls.by_provider[provider] += count
    return calls


def largest_first(values: Mapping[str, _T]) -> list[tuple[str, _T]]:
    """Names with their amounts or counts, by name where these are equal."""
    return sorted(values.items(), key=lambda item: (-item[1], item[0]))


def days_of(period: BillingPeriod) -> list[dt.date]:
    """The period's days on the workspace's clock."""
    zone = period.workspace.zone
    first = months.local_date(period.period_start, zone)
    last = months.local_date(period.period_end - dt.timedelta(microseconds=1), zone)
    return [first + dt.timedelta(days=turn) for turn in range((last - first).days + 1)]
