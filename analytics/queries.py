"""What the API tells of a workspace's spend and calls, read from counters and rollups only.

Rollups are kept by the day and hour of the workspace's clock, so that nothing here converts a
time. Amounts are what the workspace pays, in its currency, unrounded.
"""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from django.db.models import Sum

from billing.models import BillingPeriod, Workspace
from billing.money import ZERO
from usage.models import Call, CallRollup, UsageRollup

_SECONDS_A_MINUTE = 60
_TWO_PLACES = Decimal("0.01")
_FOUR_PLACES = Decimal("0.0001")


class ResourceSpend(NamedTuple):
    type: str
    quantity: Decimal
    cost: Decimal


class ProviderSpend(NamedTuple):
    provider: str
    cost: Decimal


@dataclass(frozen=True)
class UsageSummary:
    """One period's usage; `total_amount` includes the fee and any credit brought forward.

    Lists have the largest cost first. All is zero or empty without a period.
    """

    period: BillingPeriod | None
    currency: str
    subtotal: Decimal
    subscription_fee: Decimal
    credit_brought_forward: Decimal
    total_amount: Decimal
    by_resource_type: list[ResourceSpend]
    by_provider: list[ProviderSpend]


def usage_summary(*, workspace: Workspace, period: BillingPeriod | None) -> UsageSummary:
    """`period` comes with its totals (`billing.queries.with_totals`). One query.

    The subtotal of a current period is the sum of the breakdown and not of the counters, which
    may have moved on between two queries: what is shown together adds up.
    """
    if period is None:
        return UsageSummary(None, workspace.currency, ZERO, ZERO, ZERO, ZERO, [], [])
    quantities: dict[str, Decimal] = defaultdict(Decimal)
    by_type: dict[str, Decimal] = defaultdict(Decimal)
    by_provider: dict[str, Decimal] = defaultdict(Decimal)
    rollups = (
        UsageRollup.objects.filter(billing_period=period)
        .values_list("resource_type", "provider")
        .annotate(Sum("quantity"), Sum("final_cost"))
        .order_by()
    )
    for resource_type, provider, quantity, cost in rollups:
        quantities[resource_type] += quantity
        by_type[resource_type] += cost
        by_provider[provider] += cost
    subtotal = sum(by_type.values(), ZERO) if period.is_current else period.subtotal
    fee: Decimal = period.live_fee  # type: ignore[attr-defined]
    return UsageSummary(
        period=period,
        currency=workspace.currency,
        subtotal=subtotal,
        subscription_fee=fee,
        credit_brought_forward=period.credit_brought_forward,
        total_amount=subtotal + fee + period.credit_brought_forward,
        by_resource_type=[
            ResourceSpend(name, quantities[name], cost) for name, cost in _largest(by_type)
        ],
        by_provider=[ProviderSpend(name, cost) for name, cost in _largest(by_provider)],
    )


class ProviderShare(NamedTuple):
    """`calls` went through the provider; `cost` is of its usage, calls or not."""

    calls: int
    cost: Decimal


@dataclass(frozen=True)
class HourCount:
    hour: int
    count: int


@dataclass(frozen=True)
class WorkspaceAnalytics:
    """Calls that started, and usage that occurred, on the days `[start, end)` of the workspace.

    Minutes, and seconds on average, are of ended calls, to two decimals. `success_rate` is the
    completed share of ended calls to four, None when none has ended; ties round half-even.
    """

    total_calls: int
    total_minutes: Decimal
    total_cost: Decimal
    avg_call_duration: Decimal
    success_rate: Decimal | None
    by_provider: dict[str, ProviderShare]
    by_status: dict[str, int]
    by_direction: dict[str, int]
    peak_hours: list[HourCount]


def workspace_analytics(
    *, workspace: Workspace, start: dt.date, end: dt.date
) -> WorkspaceAnalytics:
    """Two queries; `end` is exclusive."""
    by_status: Counter[str] = Counter()
    by_direction: Counter[str] = Counter()
    by_provider: Counter[str] = Counter()
    by_hour: Counter[int] = Counter()
    seconds = ZERO
    rollups = (
        CallRollup.objects.filter(
            workspace=workspace, local_date__gte=start, local_date__lt=end, calls__gt=0
        )
        .values_list("status", "direction", "provider", "local_hour")
        .annotate(Sum("calls"), Sum("duration_seconds"))
        .order_by()
    )
    for status, direction, provider, hour, calls, duration in rollups:
        by_status[status] += calls
        by_direction[direction] += calls
        by_provider[provider] += calls
        by_hour[hour] += calls
        seconds += duration
    total = by_status.total()
    ended = total - by_status[Call.Status.IN_PROGRESS]
    costs = _cost_by_provider(workspace, start, end)
    return WorkspaceAnalytics(
        total_calls=total,
        total_minutes=(seconds / _SECONDS_A_MINUTE).quantize(_TWO_PLACES),
        total_cost=sum(costs.values(), ZERO),
        avg_call_duration=(seconds / ended if ended else ZERO).quantize(_TWO_PLACES),
        success_rate=(
            (Decimal(by_status[Call.Status.COMPLETED]) / ended).quantize(_FOUR_PLACES)
            if ended
            else None
        ),
        by_provider=_shares(by_provider, costs),
        by_status=_most_frequent(by_status),
        by_direction=_most_frequent(by_direction),
        peak_hours=[
            HourCount(hour, by_hour[hour])
            for hour in sorted(range(24), key=lambda hour: (-by_hour[hour], hour))
        ],
    )


def _cost_by_provider(workspace: Workspace, start: dt.date, end: dt.date) -> dict[str, Decimal]:
    return dict(
        UsageRollup.objects.filter(workspace=workspace, usage_date__gte=start, usage_date__lt=end)
        .values_list("provider")
        .annotate(Sum("final_cost"))
        .order_by()
    )


def _shares(calls: Counter[str], costs: Mapping[str, Decimal]) -> dict[str, ProviderShare]:
    shares = {
        provider: ProviderShare(calls[provider], costs.get(provider, ZERO))
        for provider in calls.keys() | costs.keys()
    }
    by_cost = sorted(shares, key=lambda name: (-shares[name].cost, -shares[name].calls, name))
    return {provider: shares[provider] for provider in by_cost}


def _largest(costs: Mapping[str, Decimal]) -> Iterable[tuple[str, Decimal]]:
    return sorted(costs.items(), key=lambda item: (-item[1], item[0]))


def _most_frequent(counts: Counter[str]) -> dict[str, int]:
    present = ((name, count) for name, count in counts.items() if count)
    return dict(sorted(present, key=lambda item: (-item[1], item[0])))
