"""Budgets of one of the demo's workspaces: one within its amount, one used up."""

import datetime as dt
from decimal import Decimal
from typing import Any

from django.db.models import Sum

from billing.models import Workspace
from billing.money import ZERO
from dev.demo.personas import Company
from usage.models import Budget, UsageRollup
from usage.queries.budgets import span_of
from usage.services.budget_facts import Level
from usage.services.budgets import create_budget

# What is spent so far, in percent of the amount: so one is reached whatever the day.
_WANTED: tuple[tuple[dict[str, Any], int], ...] = (
    (
        {
            "name": "Everything",
            "scope": Budget.Scope.WORKSPACE,
            "levels": [Level(Decimal(50)), Level(Decimal(80)), Level(Decimal(100))],
        },
        64,
    ),
    (
        {
            "name": "Voices",
            "scope": Budget.Scope.RESOURCE_TYPE,
            "resource_type": "synthesis",
            "levels": [Level(Decimal(75)), Level(Decimal(100)), Level(Decimal(125), pauses=True)],
        },
        105,
    ),
)


def make_budgets(company: Company, *, now: dt.datetime) -> None:
    """Once it has usage in this month; making them again changes nothing."""
    workspace = Workspace.objects.get(pk=company.id)
    span = span_of(Budget.Period.MONTH, now.astimezone(company.zone).date())
    for facts, percent in _WANTED:
        if workspace.budgets.filter(name=facts["name"]).exists():
            continue
        budget = {**facts, "period": Budget.Period.MONTH}
        used = UsageRollup.objects.filter(
            workspace=workspace, usage_date__gte=span.first, usage_date__lt=span.until
        )
        if name := facts.get("resource_type"):
            used = used.filter(resource_type=name)
        spend: Decimal = used.aggregate(sum=Sum("final_cost"))["sum"] or ZERO
        amount = max(Decimal(round(spend * 100 / percent)), Decimal(10))
        create_budget(workspace_id=workspace.pk, facts={**budget, "amount": amount}, now=now)
