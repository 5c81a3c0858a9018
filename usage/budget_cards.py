"""Budgets as pages show them: a bar with the levels on it, and how it stands in a word."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from uuid import UUID

from django.utils.translation import gettext as _

from billing.compiled import CompiledQuery
from billing.formats import date_range, percent, percent_sign, quantity
from billing.models import Workspace
from billing.money import EXACT, ZERO
from usage.models import Budget, BudgetDelivery, BudgetTest
from usage.queries.budgets import BudgetStanding, budgets_with_parts, host_of, standings_now
from usage.services.budget_notifications import subject_of


@dataclass(frozen=True)
class LevelShown:
    """`place` is where on the bar it stands, in percent of its length."""

    percentage: str
    does: str
    place: str
    is_reached: bool


@dataclass(frozen=True)
class BudgetCard:
    budget: Budget
    subject: str
    days: str
    spend: Decimal
    left: Decimal
    over: Decimal
    used: str
    fill: str
    state: str
    tone: str
    says: str
    is_pausing: bool
    levels: Sequence[LevelShown]
    host: str
    webhook_error: str = ""
    test: BudgetTest | None = None


_budgets = CompiledQuery[Budget](
    lambda workspace_id: budgets_with_parts().filter(workspace_id=workspace_id)
)


def cards_of(workspace: Workspace, *, now: dt.datetime) -> list[BudgetCard]:
    """Four queries; two more where a budget is of the whole workspace's month and has meters."""
    return budget_cards(_budgets(workspace.pk), now=now)


def budget_cards(
    budgets: Sequence[Budget],
    *,
    now: dt.datetime,
    deliveries: Mapping[UUID, BudgetDelivery] = MappingProxyType({}),
    tests: Mapping[UUID, BudgetTest] = MappingProxyType({}),
) -> list[BudgetCard]:
    return [
        _card(each, now, deliveries.get(each.budget.pk), tests.get(each.budget.pk))
        for each in standings_now(budgets, now=now)
    ]


def _card(
    standing: BudgetStanding,
    now: dt.datetime,
    delivery: BudgetDelivery | None,
    test: BudgetTest | None,
) -> BudgetCard:
    budget = standing.budget
    # The bar ends at the amount, or at its highest level where that is beyond.
    highest = max([Decimal(100), *(level.percentage for level in budget.levels.all())])
    is_over = standing.spend >= budget.amount
    state, tone, says = _standing(standing, now, is_over=is_over)
    return BudgetCard(
        budget=budget,
        subject=subject_of(budget),
        days=date_range(standing.span.first, standing.span.last),
        spend=standing.spend,
        left=standing.left,
        over=max(EXACT.subtract(standing.spend, budget.amount), ZERO),
        used=percent(standing.used / 100, places=0),
        fill=f"{min(max(standing.used / highest, ZERO), Decimal(1)) * 100:.1f}",
        state=state,
        tone=tone,
        says=says,
        is_pausing=standing.is_pausing(now),
        levels=[
            LevelShown(
                level_name(level.percentage),
                _does(notifies=level.notifies, pauses=level.pauses),
                f"{level.percentage / highest * 100:.1f}",
                standing.has_reached(level),
            )
            for level in budget.levels.all()
        ],
        host=host_of(budget),
        webhook_error=delivery.last_error if delivery and delivery.status != "done" else "",
        test=test,
    )


def level_name(percentage: Decimal) -> str:
    return f"{quantity(percentage)}{percent_sign()}"


def _does(*, notifies: bool, pauses: bool) -> str:
    if notifies and pauses:
        return _("notify and pause")
    return _("pause") if pauses else _("notify")


def _standing(standing: BudgetStanding, now: dt.datetime, *, is_over: bool) -> tuple[str, str, str]:
    """The bar's colour, the badge's, and what it says."""
    if standing.is_pausing(now):
        one = standing.budget.agent_id is not None
        return "over", "bad", _("Agent paused") if one else _("Agents paused")
    if is_over:
        return "over", "bad", _("Used up")
    if standing.reached:
        highest = standing.reached[-1].percentage
        reached = _("{level} reached").format(level=level_name(highest))
        return "near", "warn", reached
    return "", "good", _("Within budget")
