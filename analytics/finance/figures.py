"""Sums over all workspaces for finance, by currency: amounts of two are never added up."""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from django.core.cache import cache
from django.db import connection
from django.db.models import Count, Sum

from billing.money import ZERO
from billing.queries import active_periods, with_totals
from invoices.models import Invoice
from usage.models import UsageRollup
from usage.queries.meters import meter_adjustment, metered_prices, shared_out

# Rollups of ten thousand workspaces are a million rows: read once a minute, however many look.
_CACHE_SECONDS = 60
# Price and cost by currency and name.
_Sums = dict[tuple[str, str], list[Decimal]]


@dataclass(frozen=True)
class RunningMonth:
    """What the active periods of one currency have come to; `cost` is what providers charge.

    `fees` is everything but usage: fees, less discounts, and what is missing of commitments.
    """

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
    """Of workspaces and agents those that earn least, in each currency."""

    by_provider: list[Margin]
    by_resource_type: list[Margin]
    by_workspace: list[Margin]
    by_agent: list[Margin]


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
    """The running month by currency, and its margins: of one moment, at most a minute ago.

    Currencies come in one order everywhere: that of most workspaces first.
    """
    found: Overview | None = cache.get("finance:overview")
    if found is None:
        found = _overview(now)
        cache.set("finance:overview", found, _CACHE_SECONDS)
    return found


def _overview(now: dt.datetime) -> Overview:
    workspaces: Counter[str] = Counter()
    period_ids: list[UUID] = []
    besides: dict[str, Decimal] = defaultdict(Decimal)
    period: Any
    for period in with_totals(active_periods(now)).order_by():
        currency = period.workspace.currency
        workspaces[currency] += 1
        period_ids.append(period.pk)
        besides[currency] += period.live_fee + period.live_add_ons
        besides[currency] += period.live_discounts + period.live_shortfall
        besides[currency] += period.live_manual
    by_provider: _Sums = defaultdict(lambda: [ZERO, ZERO])
    by_type: _Sums = defaultdict(lambda: [ZERO, ZERO])
    by_currency: _Sums = defaultdict(lambda: [ZERO, ZERO])
    rows = (
        UsageRollup.objects.filter(billing_period__in=active_periods(now))
        .order_by()
        .values_list("workspace__currency", "provider", "resource_type")
        .annotate(Sum("final_cost"), Sum("total_cost"))
    )
    for currency, provider, resource_type, price, cost in rows:
        for sums in (
            by_provider[currency, provider],
            by_type[currency, resource_type],
            by_currency[currency, ""],
        ):
            sums[0] += price
            sums[1] += cost
    for currency, provider, resource_type, amount in _adjustments(now):
        by_provider[currency, provider][0] += amount
        by_type[currency, resource_type][0] += amount
        by_currency[currency, ""][0] += amount
    months = [
        RunningMonth(currency, count, usage, besides[currency], cost)
        for currency, count in sorted(workspaces.items(), key=lambda each: (-each[1], each[0]))
        for usage, cost in [by_currency[currency, ""]]
    ]
    places = {month.currency: place for place, month in enumerate(months)}
    margins = Margins(
        _sorted(by_provider, places),
        _sorted(by_type, places),
        _least(_LEAST_BY_WORKSPACE, period_ids, places),
        _least(_LEAST_BY_AGENT, period_ids, places),
    )
    return Overview(now, months, margins)


# Of each currency the names with the smallest margin, losses first.
_LEAST = """
SELECT name, currency, price, cost
  FROM (SELECT summed.*, row_number() OVER (
               PARTITION BY currency ORDER BY price - cost, name) AS place
          FROM ({summed}) AS summed) AS ranked
 WHERE place <= %s
 ORDER BY currency, place
"""
_LEAST_BY_WORKSPACE = _LEAST.format(
    summed="""
        SELECT owner.name, owner.currency, sum(final_cost) AS price, sum(total_cost) AS cost
          FROM usage_usagerollup
          JOIN billing_workspace AS owner ON owner.id = workspace_id
         WHERE billing_period_id = ANY(%s)
         GROUP BY owner.id"""
)
_LEAST_BY_AGENT = _LEAST.format(
    summed="""
        SELECT agent.name || ' · ' || owner.name AS name, owner.currency,
               sum(final_cost) AS price, sum(total_cost) AS cost
          FROM usage_dimensionrollup
          JOIN usage_voiceagent AS agent ON agent.id = agent_id
          JOIN billing_workspace AS owner ON owner.id = agent.workspace_id
         WHERE billing_period_id = ANY(%s)
         GROUP BY agent.id, owner.id"""
)
_LEAST_SHOWN = 10


def _least(query: str, period_ids: list[UUID], places: dict[str, int]) -> list[Margin]:
    with connection.cursor() as cursor:
        cursor.execute(query, [period_ids, _LEAST_SHOWN])
        rows = [Margin(*row) for row in cursor]
    return sorted(rows, key=lambda row: places.get(row.currency, len(places)))


def _adjustments(now: dt.datetime) -> Iterator[tuple[str, str, str, Decimal]]:
    """What tiers and included units add to list prices: currency, provider, resource type, amount.

    A meter may hold several providers: each has the share of its list prices.
    """
    rows = (
        UsageRollup.objects.filter(
            billing_period__in=active_periods(now).filter(has_meters=True), rate_id__isnull=False
        )
        .order_by()
        .values_list("billing_period_id", "rate_id", "workspace__currency", "provider")
        .annotate(Sum("billed_quantity"), Sum("final_cost"))
    )
    meters: dict[tuple[UUID, UUID, str], list[tuple[str, Decimal, Decimal]]] = defaultdict(list)
    for period_id, rate_id, currency, provider, billed, listed in rows:
        meters[period_id, rate_id, currency].append((provider, billed, listed))
    prices = metered_prices(rate_id for _, rate_id, _ in meters)
    for (_, rate_id, currency), parts in meters.items():
        if rate_id not in prices:
            continue
        rate = prices[rate_id]
        billed = sum((part[1] for part in parts), ZERO)
        listed = sum((part[2] for part in parts), ZERO)
        amount = meter_adjustment(rate.price, billed=billed, listed=listed)
        for provider, share in shared_out(amount, {part[0]: part[2] for part in parts}).items():
            yield currency, provider, rate.match.resource_type, share


def _sorted(sums: _Sums, places: dict[str, int]) -> list[Margin]:
    rows = [Margin(name, currency, price, cost) for (currency, name), (price, cost) in sums.items()]
    return sorted(
        rows, key=lambda row: (places.get(row.currency, len(places)), -row.price, row.name)
    )


def overdue() -> list[Owed]:
    """What is overdue in each currency, the largest amount first."""
    rows = (
        Invoice.objects.filter(status=Invoice.Status.OVERDUE)
        .order_by()
        .values_list("currency")
        .annotate(Count("pk"), Sum("amount"))
    )
    return sorted((Owed(*row) for row in rows), key=lambda owed: -owed.amount)
