"""Usage summary and analytics of a workspace, in the shape in which the API answers them."""

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from analytics.call_sums import Calls, calls_between
from analytics.dimensions import AgentSpend, ModelSpend, dimensions_between
from analytics.queries import (
    IncludedUnits,
    PeriodTotals,
    Spend,
    included_units,
    largest_first,
    spend_between,
    spend_of_periods,
    totals_of,
)
from billing.models import BillingPeriod, Workspace
from billing.money import ZERO

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


class Adjustment(NamedTuple):
    """What one price of the whole period adds to the list prices of its records."""

    description: str
    resource_type: str
    amount: Decimal


@dataclass(frozen=True)
class UsageSummary:
    """One period's usage; `total_amount` is all of it, with any credit brought forward.

    Costs of types and providers are at list price: those of one list and the `adjustments` add up
    to `subtotal`. Lists have the largest cost first. All is zero or empty without a period.
    """

    period: BillingPeriod | None
    currency: str
    subtotal: Decimal
    subscription_fee: Decimal
    add_on_fees: Decimal
    discounts: Decimal
    commitment_shortfall: Decimal
    manual_items: Decimal
    credit_brought_forward: Decimal
    reversals_credited: Decimal
    total_amount: Decimal
    by_resource_type: list[ResourceSpend]
    by_provider: list[ProviderSpend]
    adjustments: list[Adjustment]
    included: list[IncludedUnits]


def usage_summary(*, workspace: Workspace, period: BillingPeriod | None) -> UsageSummary:
    """`period` comes with its totals (`billing.queries.with_totals`).

    One query, and two more at most where prices depend on the whole period.
    """
    spend = Spend([])
    if period:
        period.workspace = workspace
        spend = spend_of_periods([period])[period.pk]
    totals = totals_of(period, spend) if period else PeriodTotals(ZERO)
    return UsageSummary(
        period=period,
        currency=workspace.currency,
        subtotal=totals.usage,
        subscription_fee=totals.fee,
        add_on_fees=totals.add_ons,
        discounts=totals.discounts,
        commitment_shortfall=totals.shortfall,
        manual_items=totals.manual,
        credit_brought_forward=totals.credit,
        reversals_credited=totals.reversals_credited,
        total_amount=totals.total,
        by_resource_type=[
            ResourceSpend(name, spend.quantities[name], cost)
            for name, cost in largest_first(spend.by_type)
        ],
        by_provider=[ProviderSpend(name, cost) for name, cost in largest_first(spend.by_provider)],
        adjustments=[
            Adjustment(meter.description, meter.resource_type, meter.adjustment)
            for meter in spend.meters
            if meter.adjustment
        ],
        included=included_units(spend.meters),
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

    Minutes, and seconds on average, are of ended calls of known duration, to two decimals.
    `success_rate` is the completed share of ended calls to four, None when none has ended; ties
    round half-even.
    """

    total_calls: int
    total_minutes: Decimal
    total_cost: Decimal
    avg_call_duration: Decimal
    success_rate: Decimal | None
    by_provider: dict[str, ProviderShare]
    by_agent: list[AgentSpend]
    by_model: list[ModelSpend]
    by_status: dict[str, int]
    by_direction: dict[str, int]
    peak_hours: list[HourCount]


def workspace_analytics(
    *, workspace: Workspace, start: dt.date, end: dt.date
) -> WorkspaceAnalytics:
    """Three queries; `end` is exclusive."""
    calls = calls_between(workspace.pk, start, end)
    spend = spend_between(workspace.pk, start, end)
    dimensions = dimensions_between(workspace, start, end, spend)
    rate = calls.success_rate
    return WorkspaceAnalytics(
        total_calls=calls.total,
        total_minutes=(calls.duration_seconds / _SECONDS_A_MINUTE).quantize(_TWO_PLACES),
        total_cost=spend.total,
        avg_call_duration=(calls.average_seconds or ZERO).quantize(_TWO_PLACES),
        success_rate=None if rate is None else rate.quantize(_FOUR_PLACES),
        by_provider=_shares(calls, spend),
        by_agent=dimensions.by_agent,
        by_model=dimensions.by_model,
        by_status=dict(largest_first(calls.by_status)),
        by_direction=dict(largest_first(calls.by_direction)),
        peak_hours=[
            HourCount(hour, calls.by_hour[hour])
            for hour in sorted(range(24), key=lambda hour: (-calls.by_hour[hour], hour))
        ],
    )


def _shares(calls: Calls, spend: Spend) -> dict[str, ProviderShare]:
    shares = {
        provider: ProviderShare(calls.by_provider[provider], spend.by_provider.get(provider, ZERO))
        for provider in calls.by_provider.keys() | spend.by_provider.keys()
    }
    by_cost = sorted(shares, key=lambda name: (-shares[name].cost, -shares[name].calls, name))
    return {provider: shares[provider] for provider in by_cost}
