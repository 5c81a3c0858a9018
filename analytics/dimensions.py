"""Spend by agent and by model, read from the rollups of records that have one.

Amounts are what the workspace pays at list price, unrounded. What names no agent, or no model, is
the rest of all spend, under None; where nothing names any there is nothing to show.
"""

import datetime as dt
from collections import defaultdict
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from django.db.models import QuerySet, Sum

from billing.models import BillingPeriod
from billing.money import ZERO
from usage.models import DimensionRollup


class AgentSpend(NamedTuple):
    agent_id: UUID | None
    name: str | None
    cost: Decimal


class ModelSpend(NamedTuple):
    model: str | None
    cost: Decimal


class SpendByDimension(NamedTuple):
    """Largest cost first, the rest last."""

    by_agent: list[AgentSpend]
    by_model: list[ModelSpend]


def dimensions_of_period(period: BillingPeriod, total: Decimal) -> SpendByDimension:
    """The spend billed in the period, `total` in all. One query."""
    return _by_dimension(DimensionRollup.objects.filter(billing_period=period), total)


def dimensions_between(
    workspace_id: UUID, first: dt.date, until: dt.date, total: Decimal
) -> SpendByDimension:
    """The spend of usage that occurred on the days `[first, until)`, `total` in all. One query."""
    rollups = DimensionRollup.objects.filter(
        workspace_id=workspace_id, usage_date__gte=first, usage_date__lt=until
    )
    return _by_dimension(rollups, total)


def _by_dimension(rollups: QuerySet[DimensionRollup], total: Decimal) -> SpendByDimension:
    agents: dict[tuple[UUID, str], Decimal] = defaultdict(Decimal)
    models: dict[str, Decimal] = defaultdict(Decimal)
    rows = rollups.order_by().values_list("agent_id", "agent__name", "model")
    for agent_id, name, model, cost in rows.annotate(Sum("final_cost")):
        if agent_id is not None:
            agents[agent_id, name] += cost
        if model is not None:
            models[model] += cost
    by_agent = [AgentSpend(*agent, cost) for agent, cost in agents.items()]
    by_model = [ModelSpend(model, cost) for model, cost in models.items()]
    by_agent.sort(key=lambda spent: (-spent.cost, spent.name, spent.agent_id))
    by_model.sort(key=lambda spent: (-spent.cost, spent.model))
    if by_agent and (rest := total - sum((spent.cost for spent in by_agent), ZERO)):
        by_agent.append(AgentSpend(None, None, rest))
    if by_model and (rest := total - sum((spent.cost for spent in by_model), ZERO)):
        by_model.append(ModelSpend(None, rest))
    return SpendByDimension(by_agent, by_model)
