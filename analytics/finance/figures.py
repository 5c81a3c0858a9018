"""Sums over all workspaces for finance, by currency: amounts of two are never added up."""

import datetime as dt
from collections import Counter, defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from django.core.cache import cache
from django.db.models import Count, Sum

from billing.money import ZERO
from billing.queries import active_periods, with_totals
from invoices.models import Invoice
from usage.models import UsageRollup

# Rollups of ten thousand workspaces are a million rows: read once a minute, however many look.
_CACHE_SECONDS = 60


@dataclass(frozen=True)
class RunningMonth:
    """What the active periods of one currency have come to; `cost` is what providers charge."""

    currency: str
    workspaces: int
    usage: Decimal
    fees: Decimal
    cost: Decimal

    @property
    def revenue(self) -> Decimal:
        return self.usage + self.fees

    @property
    def margin(self) -> Decimal:
        """On usage alone: fees have no cost of their own."""
        return self.usage - self.cost

    @property
    def margin_share(self) -> Decimal | None:
        return self.margin / self.usage if self.usage else None


class Margin(NamedTuple):
    """Sold and bought amounts of one provider or resource type, in one currency."""

    name: str
    currency: str
    price: Decimal
    cost: Decimal

    @property
    def margin(self) -> Decimal:
        return self.price - self.cost

    @property
    def share(self) -> Decimal | None:
        return self.margin / self.price if self.price else None


class Margins(NamedTuple):
    by_provider: list[Margin]
    by_resource_type: list[Margin]


class Overview(NamedTuple):
    """What the active periods have come to, as of `at`."""

    at: dt.datetime
    months: list[RunningMonth]
    margins: Margins


class Owed(NamedTuple):
    currency: str
    invoices: int
    amount: Decimal


def overview(*, now: dt.datetime) -> Overview:
    """The running month by currency, and its margins: of one moment, at most a minute ago."""
    found: Overview | None = cache.get("finance:overview")
    if found is None:
        margins = _margins(now)
        found = Overview(now, _running_months(now, margins), margins)
        cache.set("finance:overview", found, _CACHE_SECONDS)
    return found


def _running_months(now: dt.datetime, margins: Margins) -> list[RunningMonth]:
    """One row for each currency, that of most workspaces first.

    Sums of the margins below it on the page, so that the two add up while usage goes on.
    """
    terms = (
        with_totals(active_periods(now))
        .order_by()
        .values_list("workspace__currency")
        .annotate(Count("pk"), Sum("live_fee"))
    )
    sold: dict[str, list[Decimal]] = defaultdict(lambda: [ZERO, ZERO])
    for margin in margins.by_resource_type:
        sold[margin.currency][0] += margin.price
        sold[margin.currency][1] += margin.cost
    months = [
        RunningMonth(currency, workspaces, sold[currency][0], fees or ZERO, sold[currency][1])
        for currency, workspaces, fees in terms
    ]
    return sorted(months, key=lambda month: (-month.workspaces, month.currency))


def _margins(now: dt.datetime) -> Margins:
    by_provider: dict[tuple[str, str], list[Decimal]] = defaultdict(lambda: [ZERO, ZERO])
    by_type: dict[tuple[str, str], list[Decimal]] = defaultdict(lambda: [ZERO, ZERO])
    rows = (
        UsageRollup.objects.filter(billing_period__in=active_periods(now))
        .order_by()
        .values_list("workspace__currency", "provider", "resource_type")
        .annotate(Sum("final_cost"), Sum("total_cost"))
    )
    for currency, provider, resource_type, price, cost in rows:
        for sums in (by_provider[provider, currency], by_type[resource_type, currency]):
            sums[0] += price
            sums[1] += cost
    return Margins(_sorted(by_provider), _sorted(by_type))


def _sorted(sums: dict[tuple[str, str], list[Decimal]]) -> list[Margin]:
    rows = [Margin(name, currency, price, cost) for (name, currency), (price, cost) in sums.items()]
    often = Counter(row.currency for row in rows)
    return sorted(rows, key=lambda row: (-often[row.currency], row.currency, -row.price, row.name))


def overdue() -> list[Owed]:
    """What is overdue in each currency, the largest amount first."""
    rows = (
        Invoice.objects.filter(status=Invoice.Status.OVERDUE)
        .order_by()
        .values_list("currency")
        .annotate(Count("pk"), Sum("amount"))
    )
    return sorted((Owed(*row) for row in rows), key=lambda owed: -owed.amount)
