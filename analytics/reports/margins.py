"""Margins by customer, agent, provider, model and type: sold less bought, of any days."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from analytics.adjustments import (
    ADJUSTED,
    PART_OF_ROW,
    WITH_ADJUSTED,
    Adjusted,
    adjustments,
    as_parameters,
)
from analytics.reports.definition import (
    ASKED_FOR,
    CURRENCY,
    CUSTOMER,
    MONTH,
    Basis,
    Report,
    ReportRequest,
    count,
    exact,
    selected,
    share,
    text,
    to_admin,
    to_workspace,
)
from billing.models import BillingPeriod
from billing.money import ZERO
from billing.tables import Column, Row
from usage.models import UsageRollup
from usage.resources import provider_name, resource_name

# Plan: the rollups' index by workspace and day where one is asked for, else a scan of them.
_SUMS = f"""
  WITH {ADJUSTED}
SELECT {{names}}, w.currency, sum(u.records)::bigint AS records, sum(u.final_cost) AS listed,
       round(sum(u.final_cost + {PART_OF_ROW}), 10) AS price, sum(u.total_cost) AS cost
  FROM {{rollups}} AS u
  JOIN billing_workspace AS w ON w.id = u.workspace_id
  {{joins}} {WITH_ADJUSTED}
 WHERE u.usage_date BETWEEN %(first)s AND least(%(last)s, %(known_on)s) AND {{asked_for}}
 GROUP BY {{group}}, w.currency
"""


@dataclass(frozen=True)
class Dimension:
    """What margins are summed by: `names` of a rollup's row, and the group that stands for it."""

    key: str
    label: str
    names: str
    group: str
    # Of those with an agent or a model there is a rollup of its own; the rest is one row.
    of_some: bool = False
    joins: str = ""


_ROLLUP, _SOME = "usage_usagerollup", "usage_dimensionrollup"
_OF_CUSTOMER = "w.id AS workspace_id, w.name AS customer"
CUSTOMERS = Dimension("customer", "customer", _OF_CUSTOMER, "w.id")
PROVIDERS = Dimension("provider", "provider", "u.provider", "u.provider")
TYPES = Dimension("type", "resource type", "u.resource_type", "u.resource_type")
MONTHS = Dimension(
    "month",
    "month",
    "date_trunc('month', u.usage_date::timestamp)::date AS month",
    "date_trunc('month', u.usage_date::timestamp)",
)
AGENTS = Dimension(
    "agent",
    "agent",
    f"{_OF_CUSTOMER}, u.agent_id, agent.name AS agent",
    "w.id, u.agent_id, agent.name",
    of_some=True,
    joins="LEFT JOIN usage_voiceagent AS agent ON agent.id = u.agent_id",
)
MODELS = Dimension("model", "model", "u.model", "u.model", of_some=True)


def margin_rows(dimension: Dimension, asked: ReportRequest) -> list[Row]:
    """In each currency the largest revenue first."""
    added = list(adjustments(_metered(asked)))
    rows = _summed(dimension, _SOME if dimension.of_some else _ROLLUP, added, asked)
    if dimension.of_some:
        rows = _with_the_rest(dimension, rows, added, asked)
    for row in rows:
        row["margin"] = row["price"] - row["cost"]
        row["margin_share"] = row["margin"] / row["price"] if row["price"] else None
        if "provider" in row:
            row["name"] = provider_name(row["provider"])
        elif "resource_type" in row:
            row["name"] = resource_name(row["resource_type"])
    if dimension is MONTHS:
        return sorted(rows, key=lambda row: (row["currency"], row["month"]))
    return sorted(rows, key=lambda row: (row["currency"], -row["price"], _name(row)))


def _name(row: Row) -> str:
    return " ".join(str(row.get(each) or "") for each in ("customer", "agent", "model", "name"))


def _metered(asked: ReportRequest) -> Any:
    """Periods whose prices depend on all of their usage, and which have some in the range."""
    within = UsageRollup.objects.filter(usage_date__range=(asked.first, asked.last))
    if asked.workspace_id:
        within = within.filter(workspace=asked.workspace_id)
    return BillingPeriod.objects.filter(
        has_meters=True, pk__in=within.order_by().values("billing_period_id")
    )


def _summed(
    dimension: Dimension, rollups: str, added: list[Adjusted], asked: ReportRequest
) -> list[dict[str, Any]]:
    statement = _SUMS.format(
        names=dimension.names,
        group=dimension.group,
        joins=dimension.joins,
        rollups=rollups,
        asked_for=ASKED_FOR.format(currency="w.currency"),
    )
    return selected(statement, asked, **as_parameters(added))


_SUMMED = ("records", "listed", "price", "cost")
_ALL = Dimension("all", "", "'' AS everything", "1")


def _with_the_rest(
    dimension: Dimension, rows: list[dict[str, Any]], added: list[Adjusted], asked: ReportRequest
) -> list[dict[str, Any]]:
    """Those of an agent or a model, and what is left of the whole as usage of none."""
    by_agent = dimension is AGENTS
    name, owner = ("agent_id", "workspace_id") if by_agent else ("model", "currency")
    named = [row for row in rows if row[name] is not None]
    sums: dict[Any, dict[str, Any]] = defaultdict(lambda: dict.fromkeys(_SUMMED, ZERO))
    for row in named:
        for each in _SUMMED:
            sums[row[owner]][each] += row[each]
    rest = []
    for row in _summed(CUSTOMERS if by_agent else _ALL, _ROLLUP, added, asked):
        left = {each: row[each] - sums[row[owner]][each] for each in _SUMMED}
        if any(left.values()):
            left["records"] = int(left["records"])
            rest.append({**row, "agent": None, "agent_id": None, "model": None, **left})
    return named + rest


def _to_records(row: Row, asked: ReportRequest) -> str:
    return to_admin(
        "usage_usagerecord",
        workspace__id__exact=row.get("workspace_id"),
        provider=row.get("provider"),
        resource_type=row.get("resource_type"),
        agent__id__exact=row.get("agent_id"),
        model=row.get("model"),
        usage_date_from=asked.first,
        usage_date_to=min(asked.last, asked.as_of),
    )


def _to_agents(row: Row, asked: ReportRequest) -> str:
    return next(report for report in MARGINS if report.key == "margin-by-agent").url(
        first=asked.first, last=asked.last, as_of=asked.as_of, workspace=row["workspace_id"]
    )


def _report(
    dimension: Dimension,
    *names: Column,
    links: dict[str, Callable[[Row, ReportRequest], str]] | None = None,
) -> Report:
    return Report(
        f"margin-by-{dimension.key}",
        f"Margin by {dimension.label}",
        (
            *names,
            CURRENCY,
            count("records", "Records"),
            exact("listed", "At list price"),
            exact("price", "Sold for"),
            exact("cost", "Cost"),
            exact("margin", "Margin"),
            share("margin_share", "Share"),
        ),
        partial(margin_rows, dimension),
        Basis.RANGE,
        "Usage by the day it occurred on the workspace's calendar, corrections included. Sold for "
        "is the records' list price and their part, by list price, of what tiers, packages and "
        "included units of their whole period add to its provider and type. Cost is what the "
        "provider charges for it, in the workspace's currency. The margin is the difference, its "
        "share that of what it was sold for. Fees, discounts and credit notes are not in it. The "
        "days are those of the usage, so usage that arrived late is in its own month. All "
        "reports of margins come to the same sums.",
        {"records": _to_records, **(links or {})},
    )


MARGINS = (
    _report(CUSTOMERS, CUSTOMER, links={"customer": to_workspace, "margin": _to_agents}),
    _report(AGENTS, CUSTOMER, text("agent", "Agent"), links={"customer": to_workspace}),
    _report(PROVIDERS, text("name", "Provider")),
    _report(MODELS, text("model", "Model")),
    _report(TYPES, text("name", "Resource type")),
    _report(MONTHS, MONTH),
)
