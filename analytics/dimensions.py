"""Spend by agent and by model, read from the rollups of records that have one.

Amounts are what the workspace pays at list price, unrounded. What names no agent, or no model, is
the rest of all spend, under None; where nothing names any there is nothing to show.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

from billing.models import BillingPeriod
from billing.money import ZERO

# Names are looked up for the sums, not for each of the thousands of rows that they are made of.
_SUMS = """
SELECT sums.agent_id, agent.name, sums.model, sums.cost
  FROM (SELECT agent_id, model, sum(final_cost) AS cost
          FROM usage_dimensionrollup WHERE {which} GROUP BY agent_id, model) AS sums
  LEFT JOIN usage_voiceagent AS agent ON agent.id = sums.agent_id
"""
_OF_PERIOD = _SUMS.format(which="billing_period_id = %s")
_OF_DAYS = _SUMS.format(which="workspace_id = %s AND usage_date >= %s AND usage_date < %s")


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
    return _by_dimension(_OF_PERIOD, [period.pk], total)


def dimensions_between(
    workspace_id: UUID, first: dt.date, until: dt.date, total: Decimal
) -> SpendByDimension:
    """The spend of usage that occurred on the days `[first, until)`, `total` in all. One query."""
    return _by_dimension(_OF_DAYS, [workspace_id, first, until], total)


def _by_dimension(statement: str, given: Sequence[Any], total: Decimal) -> SpendByDimension:
    agents: dict[tuple[UUID, str], Decimal] = defaultdict(Decimal)
    models: dict[str, Decimal] = defaultdict(Decimal)
    with connection.cursor() as cursor:
        cursor.execute(statement, given)
        rows = cursor.fetchall()
    for agent_id, name, model, cost in rows:
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
