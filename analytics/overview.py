"""What a workspace's overview is made of, read from counters and rollups only."""

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from django.db.models import Sum

from billing import months
from billing.models import BillingPeriod
from billing.money import ZERO
from usage.models import CallRollup, UsageRollup

ENDED = ("completed", "failed", "busy", "no_answer", "cancelled")


class SpendRow(NamedTuple):
    day: dt.date
    resource_type: str
    provider: str
    quantity: Decimal
    cost: Decimal


class Spend:
    """One period's usage in the workspace's currency, unrounded, by each of its dimensions."""

    def __init__(self, rows: Sequence[SpendRow]) -> None:
        self.rows = rows
        self.total = sum((row.cost for row in rows), ZERO)
        self.by_day: dict[dt.date, Decimal] = defaultdict(Decimal)
        self.by_type: dict[str, Decimal] = defaultdict(Decimal)
        self.by_provider: dict[str, Decimal] = defaultdict(Decimal)
        self.quantities: dict[str, Decimal] = defaultdict(Decimal)
        for row in rows:
            self.by_day[row.day] += row.cost
            self.by_type[row.resource_type] += row.cost
            self.by_provider[row.provider] += row.cost
            self.quantities[row.resource_type] += row.quantity

    def until(self, day: dt.date) -> "Spend":
        """Its part up to and including `day`."""
        return Spend([row for row in self.rows if row.day <= day])

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
    """The spend of each period: one query, a row a day, type and provider."""
    rows: dict[UUID, list[SpendRow]] = {period_id: [] for period_id in period_ids}
    found = (
        UsageRollup.objects.filter(billing_period__in=period_ids)
        .values_list("billing_period_id", "usage_date", "resource_type", "provider")
        .annotate(Sum("quantity"), Sum("final_cost"))
        .order_by("usage_date")
    )
    for period_id, *row in found:
        rows[period_id].append(SpendRow(*row))
    return {period_id: Spend(found) for period_id, found in rows.items()}


@dataclass
class Calls:
    """The calls that started in a stretch of days; durations in seconds, of ended calls."""

    total: int = 0
    duration_seconds: Decimal = ZERO
    by_status: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    by_direction: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    by_provider: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    by_hour: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    by_status_and_day: dict[str, dict[dt.date, int]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(int))
    )

    @property
    def ended(self) -> int:
        return sum(self.by_status.get(status, 0) for status in ENDED)

    @property
    def success_rate(self) -> Decimal | None:
        """Completed calls as a fraction of all that have ended; None when none has."""
        return Decimal(self.by_status.get("completed", 0)) / self.ended if self.ended else None

    @property
    def average_seconds(self) -> Decimal | None:
        return self.duration_seconds / self.ended if self.ended else None


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
        Sum("calls"), Sum("duration_seconds")
    )
    for day, status, direction, count, seconds in outcomes:
        calls.total += count
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


def days_of(period: BillingPeriod) -> list[dt.date]:
    """The period's days on the workspace's clock."""
    zone = period.workspace.zone
    first = months.local_date(period.period_start, zone)
    last = months.local_date(period.period_end - dt.timedelta(microseconds=1), zone)
    return [first + dt.timedelta(days=turn) for turn in range((last - first).days + 1)]
