"""Sums over all workspaces for finance, by currency: amounts of two are never added up."""

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from django.core.cache import cache
from django.db.models import Count, F, Q, QuerySet, Sum
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from analytics.adjustments import adjustments
from analytics.finance.margins import (
    LEAST_BY_AGENT,
    LEAST_BY_WORKSPACE,
    Margins,
    MarginTable,
    Sums,
    by_price,
    in_words,
    least_earning,
)
from billing.models import BillingPeriod
from billing.money import ZERO
from billing.queries import active_periods, with_totals
from billing.replica import lagging_reads
from invoices.models import Invoice
from usage.models import UsageRollup

# Rollups of ten thousand workspaces are a million rows: read once a minute, however many look.
_CACHE_SECONDS = 60
# Its number grows with what is kept under it.
_CACHE_KEY = "finance:overview:3"


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


class Overview(NamedTuple):
    """What the active periods have come to, as of `at`."""

    at: dt.datetime
    months: list[RunningMonth]
    margins: Margins
    # In words: kept with the figures, as `tables` are.
    months_html: SafeString
    tables: list[MarginTable]


class Owed(NamedTuple):
    currency: str
    invoices: int
    amount: Decimal


def overview(*, now: dt.datetime) -> Overview:
    """The running month by currency, and its margins: of one moment, at most a minute ago, or
    a replica's lag more.

    Currencies come in one order everywhere: that of most workspaces first.
    """
    found: Overview | None = cache.get(_CACHE_KEY)
    if found is None:
        with lagging_reads(now=now) as as_of:
            found = _overview(now, as_of)
        cache.set(_CACHE_KEY, found, _CACHE_SECONDS)
    return found


def months_so_far(now: dt.datetime) -> "QuerySet[BillingPeriod]":
    """The active period of every workspace, and the month of `now` where that was closed early."""
    closed_early = ~Q(status=BillingPeriod.Status.CURRENT) & Q(
        period_start__lte=now, period_end__gt=now
    )
    return BillingPeriod.objects.filter(
        closed_early | Q(pk__in=active_periods(now).order_by().values("pk"))
    )


def _overview(now: dt.datetime, as_of: dt.datetime) -> Overview:
    owners: dict[str, set[UUID]] = defaultdict(set)
    period_ids: list[UUID] = []
    besides: dict[str, Decimal] = defaultdict(Decimal)
    period: Any
    for period in with_totals(months_so_far(now)).order_by():
        currency = period.workspace.currency
        owners[currency].add(period.workspace_id)
        period_ids.append(period.pk)
        besides[currency] += period.live_fee + period.live_add_ons
        besides[currency] += period.live_discounts + period.live_shortfall
        besides[currency] += period.live_manual + period.reversals_credited
    by_provider: Sums = defaultdict(lambda: [ZERO, ZERO])
    by_type: Sums = defaultdict(lambda: [ZERO, ZERO])
    by_currency: Sums = defaultdict(lambda: [ZERO, ZERO])
    rows = (
        UsageRollup.objects.filter(billing_period__in=period_ids)
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
    adjusted = list(adjustments(months_so_far(now)))
    for each in adjusted:
        by_provider[each.currency, each.provider][0] += each.amount
        by_type[each.currency, each.resource_type][0] += each.amount
        by_currency[each.currency, ""][0] += each.amount
    workspaces = {currency: len(ids) for currency, ids in owners.items()}
    months = [
        RunningMonth(currency, count, usage, besides[currency], cost)
        for currency, count in sorted(workspaces.items(), key=lambda each: (-each[1], each[0]))
        for usage, cost in [by_currency[currency, ""]]
    ]
    places = {month.currency: place for place, month in enumerate(months)}
    margins = Margins(
        by_price(by_provider, places),
        by_price(by_type, places),
        least_earning(LEAST_BY_WORKSPACE, period_ids, adjusted, places),
        least_earning(LEAST_BY_AGENT, period_ids, adjusted, places),
    )
    words = [
        render_to_string("admin/finance/running_month.html", {"month": month, "at": as_of})
        for month in months
    ]
    shown = SafeString("".join(words))
    return Overview(as_of, months, margins, shown, in_words(margins, as_of))


# As `Invoice.amount_due` of one that has not ended.
_DUE = F("amount") + F("carried_in") - F("amount_paid") - F("credit_used") - F("amount_credited")


def overdue(months: Sequence[RunningMonth] = ()) -> list[Owed]:
    """What is still to be paid of overdue invoices in each currency, in the order of `months`."""
    rows = (
        Invoice.objects.filter(status=Invoice.Status.OVERDUE)
        .order_by()
        .values_list("currency")
        .annotate(count=Count("pk"), due=Sum(_DUE))
    )
    places = {month.currency: place for place, month in enumerate(months)}
    return sorted(
        (Owed(*row) for row in rows),
        key=lambda owed: (places.get(owed.currency, len(places)), owed.currency),
    )
