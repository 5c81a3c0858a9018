"""Spend by agent, model and what was used, from the rollups of records that name one (ADR 55).

Amounts are what the workspace pays at list price, unrounded. What names no agent, or no model, is
the rest of all spend, under None; where nothing names any there is nothing to show.
"""

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal, localcontext
from operator import add
from typing import Any, NamedTuple
from uuid import UUID

from django.core.cache import cache
from django.utils import timezone as clock

from analytics.bridge import UsageCell
from analytics.queries import Spend
from billing import months
from billing.models import BillingPeriod, Workspace
from billing.money import EXACT, ZERO
from billing.prepared import page_cursor
from billing.replica import reading_connection

_DAY = dt.timedelta(days=1)
_KEEP_SECONDS = 24 * 3600
# Key columns first: how many, `_sums` is told.
# Each agent with no model, and each model with no agent: what has none of the two is the rest.
_BY_AGENT_AND_MODEL = """
SELECT agent_id, model, sum(final_cost)
  FROM usage_dimensionrollup
 WHERE {of} = %s AND usage_date >= %s AND usage_date < %s
 GROUP BY GROUPING SETS ((agent_id), (model))
"""
_BY_ALL = """
SELECT agent_id, resource_type, provider, model,
       sum(records)::bigint, sum(quantity), sum(final_cost)
  FROM usage_dimensionrollup
 WHERE billing_period_id = %s AND usage_date >= %s AND usage_date < %s
 GROUP BY agent_id, resource_type, provider, model
"""
_OF_PERIOD = _BY_AGENT_AND_MODEL.format(of="billing_period_id")
_OF_DAYS = _BY_AGENT_AND_MODEL.format(of="workspace_id")
_NAMES = "SELECT id, name FROM usage_voiceagent WHERE id = ANY(%s)"


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


def cells_of_period(
    period: BillingPeriod, spend: Spend, first: dt.date, until: dt.date
) -> list[UsageCell]:
    """What was used on the days `[first, until)` and is billed in the period, whose `spend` has at
    least these days."""
    rows = _sums(_BY_ALL, 4, period.pk, spend, first, until, period.workspace)
    return [UsageCell(*row) for row in rows]


def dimensions_of_period(period: BillingPeriod, spend: Spend) -> SpendByDimension:
    """The spend billed in the period."""
    always = dt.date.min, dt.date.max
    rows = _sums(_OF_PERIOD, 2, period.pk, spend, *always, period.workspace)
    return _by_dimension(rows, spend.total)


def dimensions_between(
    workspace: Workspace, first: dt.date, until: dt.date, spend: Spend
) -> SpendByDimension:
    """The spend of usage that occurred on the days `[first, until)`."""
    rows = _sums(_OF_DAYS, 2, workspace.pk, spend, first, until, workspace)
    return _by_dimension(rows, spend.total)


def _sums(
    statement: str,
    keys: int,
    of: UUID,
    spend: Spend,
    first: dt.date,
    until: dt.date,
    workspace: Workspace,
) -> list[tuple[Any, ...]]:
    """The statement's rows for `[first, until)`.

    A month of a busy workspace is thousands of rollups, on a page of the table each. Sums of the
    days before yesterday are kept, with how the rollups of all usage stood that they agree with:
    each record adds to these too, in the same statement, so that a late one is seen at once.
    """
    yesterday = months.local_date(clock.now(), workspace.zone) - _DAY
    settled = min(until, yesterday)
    # What a transaction wrote, and may still take back, is for nobody else.
    if settled <= first or reading_connection().in_atomic_block:
        return _read(statement, of, first, until)
    key, state = f"dimensions-{keys}:{of}:{first}:{settled}", spend.state_of(first, settled)
    kept = cache.get(key)
    if kept is None or kept[0] != state:
        kept = state, _read(statement, of, first, settled)
        cache.set(key, kept, _KEEP_SECONDS)
    rows: list[tuple[Any, ...]] = kept[1]
    return rows if settled == until else _added_up(rows, _read(statement, of, settled, until), keys)


def _read(statement: str, of: UUID, first: dt.date, until: dt.date) -> list[tuple[Any, ...]]:
    with page_cursor(reading_connection()) as cursor:
        cursor.execute(statement, [of, first, until])
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    # One object for each agent: it is written once where the rows are kept.
    agents: dict[UUID | None, UUID | None] = {}
    return [(agents.setdefault(row[0], row[0]), *row[1:]) for row in rows]


def _added_up(
    rows: Iterable[tuple[Any, ...]], more: Iterable[tuple[Any, ...]], keys: int
) -> list[tuple[Any, ...]]:
    found = {row[:keys]: row[keys:] for row in rows}
    with localcontext(EXACT):
        for row in more:
            key, sums = row[:keys], row[keys:]
            if key in found:
                sums = tuple(map(add, found[key], sums))
            found[key] = sums
    return [key + sums for key, sums in found.items()]


def _by_dimension(rows: Iterable[tuple[Any, ...]], total: Decimal) -> SpendByDimension:
    agents: dict[UUID, Decimal] = {}
    models: dict[str, Decimal] = {}
    for agent, model, cost in rows:
        if agent is not None:
            agents[agent] = cost
        elif model is not None:
            models[model] = cost
    names = names_of_agents(agents)
    by_agent = [AgentSpend(agent, names.get(agent), cost) for agent, cost in agents.items()]
    by_model = [ModelSpend(model, cost) for model, cost in models.items()]
    by_agent.sort(key=lambda spent: (-spent.cost, spent.name or "", spent.agent_id))
    by_model.sort(key=lambda spent: (-spent.cost, spent.model))
    if by_agent and (rest := total - sum((spent.cost for spent in by_agent), ZERO)):
        by_agent.append(AgentSpend(None, None, rest))
    if by_model and (rest := total - sum((spent.cost for spent in by_model), ZERO)):
        by_model.append(ModelSpend(None, rest))
    return SpendByDimension(by_agent, by_model)


def names_of_agents(agents: Iterable[UUID]) -> dict[UUID, str]:
    """Of the agents with these ids. One query, and none for none."""
    if not (asked := list(agents)):
        return {}
    with page_cursor(reading_connection()) as cursor:
        cursor.execute(_NAMES, [asked])
        return dict(cursor.fetchall())
