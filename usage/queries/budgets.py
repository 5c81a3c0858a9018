"""Budgets as they stand: what was spent of each in a period of its own, read from rollups.

A budget counts usage by the day that it occurred on, on the workspace's clock, at list price, as
the pages of spend do. That of a whole workspace for a month has added to it what tiers, packages
and included units make of the month: its net.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from decimal import Decimal
from functools import cached_property
from typing import NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet

from billing import months
from billing.models import BillingPeriod
from billing.money import EXACT, ZERO
from billing.prepared import array, prepared_cursor
from usage.models import Budget, BudgetEvent, BudgetLevel, BudgetState, VoiceAgent
from usage.queries.net import adjustments_of

_DAY = dt.timedelta(days=1)


class BudgetSpan(NamedTuple):
    """The days `[first, until)`."""

    first: dt.date
    until: dt.date

    @property
    def last(self) -> dt.date:
        return self.until - _DAY


def span_of(period: str, day: dt.date) -> BudgetSpan:
    """The day, week from Monday on, or calendar month that holds `day`."""
    if period == Budget.Period.DAY:
        return BudgetSpan(day, day + _DAY)
    if period == Budget.Period.WEEK:
        first = day - day.weekday() * _DAY
        return BudgetSpan(first, first + 7 * _DAY)
    return BudgetSpan(day.replace(day=1), months.first_of_next_month(day))


EventKey = tuple[UUID, dt.date, Decimal, Decimal]


def state_of(budget: Budget) -> BudgetState | None:
    return budget.state if hasattr(budget, "state") else None


def host_of(budget: Budget) -> str:
    """What may be shown of the address of its webhook: the rest of it is often a secret."""
    return urlsplit(budget.webhook_url).hostname or ""


class BudgetStanding:
    """One budget in one of its periods."""

    def __init__(self, budget: Budget, span: BudgetSpan, spend: Decimal) -> None:
        self.budget = budget
        self.span = span
        self.spend = spend

    @property
    def ends_at(self) -> dt.datetime:
        return months.midnight(self.span.until, self.budget.workspace.zone)

    @property
    def used(self) -> Decimal:
        """In percent, rounded down: 99.6 % is not all of it."""
        return EXACT.divide_int(EXACT.multiply(self.spend, Decimal(100)), self.budget.amount)

    @property
    def left(self) -> Decimal:
        return max(EXACT.subtract(self.budget.amount, self.spend), ZERO)

    @cached_property
    def reached(self) -> list[BudgetLevel]:
        """Its levels that the spend has reached, the lowest first."""
        return [level for level in self.budget.levels.all() if self.has_reached(level)]

    def has_reached(self, level: BudgetLevel) -> bool:
        due = EXACT.multiply(self.budget.amount, level.percentage)
        return EXACT.multiply(self.spend, Decimal(100)) >= due

    def key(self, percentage: Decimal) -> "EventKey":
        return self.budget.pk, self.span.first, self.budget.amount, percentage

    def is_pausing(self, now: dt.datetime) -> bool:
        """Whether it holds agents paused now; up to a minute after its level was reached it does
        not yet."""
        state = state_of(self.budget)
        return bool(state and state.paused_until and state.paused_until > now)

    @property
    def pauses(self) -> bool:
        """Whether the agents that it counts are to be paused until it ends."""
        return any(level.pauses for level in self.reached)


# Plan: for each budget one range of the index of (workspace, day), of either rollup.
_SPENDS = """
SELECT asked.position,
       CASE WHEN budget.scope = 'agent' THEN
            (SELECT sum(rolled.final_cost) FROM usage_dimensionrollup AS rolled
              WHERE rolled.workspace_id = budget.workspace_id
                AND rolled.usage_date >= asked.first AND rolled.usage_date < asked.until
                AND rolled.agent_id = budget.agent_id)
       ELSE
            (SELECT sum(rolled.final_cost) FROM usage_usagerollup AS rolled
              WHERE rolled.workspace_id = budget.workspace_id
                AND rolled.usage_date >= asked.first AND rolled.usage_date < asked.until
                AND (budget.scope = 'workspace' OR rolled.resource_type = budget.resource_type))
       END
  FROM unnest(%(ids)s::uuid[], %(firsts)s::date[], %(untils)s::date[])
       WITH ORDINALITY AS asked (id, first, until, position)
  JOIN usage_budget AS budget ON budget.id = asked.id
"""


def standings(asked: Sequence[tuple[Budget, BudgetSpan]]) -> list[BudgetStanding]:
    """Each budget, with its workspace and levels, in the span beside it.

    One query; with budgets of a whole workspace's month two, and what their meters need.
    """
    if not asked:
        return []
    with prepared_cursor() as cursor:
        cursor.execute(
            _SPENDS,
            {
                "ids": array([budget.pk.hex for budget, _ in asked]),
                "firsts": array([span.first.isoformat() for _, span in asked]),
                "untils": array([span.until.isoformat() for _, span in asked]),
            },
        )
        spends = {position: spend or ZERO for position, spend in cursor}
    added = _added_by_meters(
        (budget, span) for budget, span in asked if _is_of_a_whole_month(budget)
    )
    return [
        BudgetStanding(
            budget,
            span,
            EXACT.add(
                spends.get(position, ZERO),
                added.get((budget.workspace_id, span.first), ZERO)
                if _is_of_a_whole_month(budget)
                else ZERO,
            ),
        )
        for position, (budget, span) in enumerate(asked, start=1)
    ]


def _is_of_a_whole_month(budget: Budget) -> bool:
    return budget.scope == Budget.Scope.WORKSPACE and budget.period == Budget.Period.MONTH


def _added_by_meters(
    asked: Iterable[tuple[Budget, BudgetSpan]],
) -> dict[tuple[UUID, dt.date], Decimal]:
    """What the meters of a workspace's month add to its list prices; closed months as frozen."""
    of_months = {
        (budget.workspace_id, span.first): months.midnight(span.first, budget.workspace.zone)
        for budget, span in asked
    }
    if not of_months:
        return {}
    periods = BillingPeriod.objects.filter(
        has_meters=True,
        workspace__in={workspace_id for workspace_id, _ in of_months},
        period_start__in=set(of_months.values()),
    ).values_list("workspace_id", "period_start", "pk", "status", "adjustment")
    found = {(row[0], row[1]): row for row in periods}
    running = adjustments_of([pk for _, _, pk, status, _ in found.values() if status == "current"])
    added: dict[tuple[UUID, dt.date], Decimal] = {}
    for (workspace_id, first), start in of_months.items():
        if (workspace_id, start) in found:
            _, _, pk, status, frozen = found[workspace_id, start]
            added[workspace_id, first] = running.get(pk, ZERO) if status == "current" else frozen
    return added


def standings_now(budgets: Sequence[Budget], *, now: dt.datetime) -> list[BudgetStanding]:
    """Each budget in the period that runs now."""
    return standings(
        [
            (budget, span_of(budget.period, months.local_date(now, budget.workspace.zone)))
            for budget in budgets
        ]
    )


def budgets_with_parts() -> QuerySet[Budget]:
    """Budgets with all that is asked of them."""
    return Budget.objects.select_related("workspace", "agent", "state").prefetch_related(
        "levels", "recipients__member__user"
    )


def reached_at(standing: Sequence[BudgetStanding]) -> dict[EventKey, BudgetEvent]:
    """The events of these, by budget, period, amount and level. One query."""
    events = BudgetEvent.objects.filter(
        budget__in={each.budget.pk for each in standing},
        period_start__in={each.span.first for each in standing},
    )
    return {(row.budget_id, row.period_start, row.amount, row.percentage): row for row in events}


def is_held(now: dt.datetime) -> Exists:
    """Of an agent: that a budget pauses it."""
    return Exists(
        BudgetState.objects.filter(
            Q(budget__agent=None) | Q(budget__agent=OuterRef("pk")),
            paused_until__gt=now,
            budget__workspace=OuterRef("workspace"),
        )
    )


def misaligned_workspaces(now: dt.datetime) -> set[UUID]:
    """Workspaces with a live agent that a budget pauses, or one still paused that none does."""
    agents = VoiceAgent.objects.alias(held=is_held(now)).filter(
        Q(status="live", held=True) | Q(paused_reason="budget", held=False)
    )
    return set(agents.values_list("workspace_id", flat=True))
