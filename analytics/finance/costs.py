"""Findings of finance about costs: units that cost another amount than the cost card says, and
usage that was sold below the least margin of its rate."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Aggregate, DecimalField, ExpressionWrapper, F, Max, Min, QuerySet, Sum

from billing.models import BillingPeriod, ProviderCost
from billing.money import EXACT
from billing.recorded_rates import RateOfRecords, rates_of_records
from billing.services.price_rows import in_words
from usage.models import CostDrift, LowMargin, UsageRecord, VoiceAgent

SHOWN = 200
# What was seen last before that is settled, one way or another.
_SINCE = dt.timedelta(days=62)
_HUNDRED = Decimal(100)


@dataclass(frozen=True)
class DriftRow:
    """Sent unit costs of one use beside what the card says; amounts in their own currencies."""

    card: ProviderCost
    resource_type: str
    model: str
    currency: str
    records: int
    quantity: Decimal
    cost: Decimal
    least: Decimal
    most: Decimal
    first_seen: dt.datetime
    last_seen: dt.datetime

    @property
    def difference(self) -> Decimal | None:
        """What was charged beyond the card, or less; None for another currency than the card's."""
        if self.currency != self.card.currency:
            return None
        return EXACT.subtract(self.cost, EXACT.multiply(self.quantity, self.card.unit_cost))


@dataclass(frozen=True)
class LowSale:
    """Usage of one period, rate, kind and agent that left less than the rate's least margin."""

    period: BillingPeriod
    rate_id: UUID
    rate: RateOfRecords | None
    resource_type: str
    provider: str
    model: str
    agent_id: UUID | None
    agent: VoiceAgent | None
    records: int
    total_cost: Decimal
    final_cost: Decimal
    first_seen: dt.datetime
    last_seen: dt.datetime

    @property
    def currency(self) -> str:
        return self.period.workspace.currency

    @property
    def price(self) -> str:
        return in_words(self.rate.price, self.rate.currency) if self.rate else "–"

    @property
    def margin(self) -> Decimal:
        return self.final_cost - self.total_cost

    @property
    def share(self) -> Decimal | None:
        return self.margin / self.final_cost if self.final_cost else None

    @property
    def least_share(self) -> Decimal | None:
        least = self.rate and self.rate.min_margin_percentage
        return None if least is None else least / _HUNDRED


# What one line of either list is about.
_OF_DRIFT = ("provider_cost_id", "resource_type", "model", "currency")
_OF_LOW_SALE = ("billing_period_id", "rate_id", "resource_type", "provider", "model", "agent_id")


def drifts(*, now: dt.datetime) -> list[DriftRow]:
    """The newest first."""
    rows = _newest(
        CostDrift.objects.all(),
        _OF_DRIFT,
        now,
        quantity=Sum("quantity"),
        cost=Sum("cost"),
        least=Min("least"),
        most=Max("most"),
    )
    cards = ProviderCost.objects.select_related("workspace").in_bulk(
        [row["provider_cost_id"] for row in rows]
    )
    return [DriftRow(card=cards[row.pop("provider_cost_id")], **row) for row in rows]


def low_sales(*, now: dt.datetime) -> list[LowSale]:
    """The newest first."""
    rows = _newest(
        LowMargin.objects.all(),
        _OF_LOW_SALE,
        now,
        total_cost=Sum("total_cost"),
        final_cost=Sum("final_cost"),
    )
    periods = BillingPeriod.objects.select_related("workspace").in_bulk(
        {row["billing_period_id"] for row in rows}
    )
    rates = rates_of_records(row["rate_id"] for row in rows)
    agents = VoiceAgent.objects.in_bulk({row["agent_id"] for row in rows if row["agent_id"]})
    return [
        LowSale(
            period=periods[row.pop("billing_period_id")],
            rate=rates.get(row["rate_id"]),
            agent=agents.get(row["agent_id"]),
            **row,
        )
        for row in rows
    ]


def _newest(
    found: "QuerySet[Any]", line: Sequence[str], now: dt.datetime, **sums: Aggregate
) -> list[dict[str, Any]]:
    """Slots added up to one row for each line."""
    rows = (
        found.filter(last_seen__gte=now - _SINCE)
        .values(*line)
        .annotate(
            records=Sum("records"),
            first_seen=Min("first_seen"),
            last_seen=Max("last_seen"),
            **sums,
        )
        .order_by("-last_seen")[:SHOWN]
    )
    return [{**row} for row in rows]


def records_sold_low(
    *,
    period: BillingPeriod,
    rate_id: UUID,
    least_margin: Decimal,
    resource_type: str,
    provider: str,
    model: str,
    agent_id: UUID | None,
) -> "QuerySet[UsageRecord]":
    """The newest of those that a line of `low_sales` counts; `model` is empty for none."""
    # Along the index of workspace and time; the period's late records lie before its start.
    margin = ExpressionWrapper(
        F("final_cost") * (_HUNDRED - least_margin) - F("total_cost") * _HUNDRED,
        output_field=DecimalField(max_digits=48, decimal_places=14),
    )
    return (
        UsageRecord.objects.filter(
            workspace=period.workspace_id,
            billing_period=period,
            rate_id=rate_id,
            resource_type=resource_type,
            provider=provider,
            model=model or None,
            agent_id=agent_id,
            reverses__isnull=True,
            trues_up__isnull=True,
        )
        .alias(left=margin)
        .filter(left__lt=0)
        .order_by("-occurred_at", "-id")[:SHOWN]
    )


def drifted_since(time: dt.datetime) -> QuerySet[CostDrift, Any]:
    """A row for each line of `drifts` that was seen since."""
    return CostDrift.objects.filter(last_seen__gte=time).values(*_OF_DRIFT).distinct()


def sold_low_since(time: dt.datetime) -> QuerySet[LowMargin, Any]:
    """A row for each line of `low_sales` that was seen since."""
    return LowMargin.objects.filter(last_seen__gte=time).values(*_OF_LOW_SALE).distinct()
