"""The comparison of budgets with what was spent: levels reached, people told, agents paused.

Recording usage knows nothing of budgets, and so they cost it nothing. Once a minute a task looks
at the budgets of workspaces whose counters have moved, so that a level is noticed a minute late
at most (ADR 48). It may run twice, or be killed anywhere: a level that is reached is a row, one
for each period, written together with what tells of it.
"""

import datetime as dt
import logging
from collections import defaultdict
from collections.abc import Collection, Sequence
from uuid import UUID

from django.db import transaction

from billing import months
from billing.models import Workspace
from billing.prepared import array, prepared_cursor
from usage.models import Budget, BudgetEvent, BudgetState
from usage.queries.budgets import (
    BudgetStanding,
    EventKey,
    budgets_with_parts,
    misaligned_workspaces,
    reached_at,
    span_of,
    standings,
    state_of,
)
from usage.services.agents import align_agents, realign_agents
from usage.services.budget_notifications import tell

log = logging.getLogger(__name__)
# Usage of a period's last minutes comes in after its end: for so long it is still told of.
_AFTER = dt.timedelta(hours=1)

# Plan: for each workspace the periods by the index of open ones, and their few counter rows. A
# record that is taken back, or whose cost is made final, is another record: the counters move.
_SEEN = """
SELECT period.workspace_id,
       string_agg(concat_ws(':', period.period_start::date, counted.records, counted.final_cost),
                  ' ' ORDER BY period.period_start)
  FROM billing_billingperiod AS period
  JOIN LATERAL (SELECT sum(counter.records) AS records, sum(counter.final_cost) AS final_cost
                  FROM billing_periodcounter AS counter
                 WHERE counter.period_id = period.id) AS counted ON true
 WHERE period.workspace_id = ANY(%s::uuid[]) AND period.status = 'current'
 GROUP BY period.workspace_id
"""


def check_budgets(*, now: dt.datetime) -> int:
    """Compare the budgets of workspaces with new usage; how many levels were reached."""
    budgets = list(budgets_with_parts().exclude(workspace__status=Workspace.Status.CLOSED))
    seen = _seen({budget.workspace_id for budget in budgets})
    due = [budget for budget in budgets if _is_due(budget, seen, now)]
    found = _current_and_ended(due, now)
    of_budgets: dict[UUID, list[BudgetStanding]] = defaultdict(list)
    for each in found:
        of_budgets[each.budget.pk].append(each)
    events = reached_at(found)
    unchanged = []
    told = 0
    for budget in due:
        of_budget = of_budgets[budget.pk]
        if any(_has_news(each, events, now) for each in of_budget):
            told += _settled(budget, seen.get(budget.workspace_id, ""), now)
        else:
            unchanged.append((budget, _state(of_budget[0], seen.get(budget.workspace_id, ""), now)))
    _keep(unchanged)
    realign_agents(misaligned_workspaces(now), now=now)
    return told


def compare_now(budget: Budget, *, now: dt.datetime) -> int:
    """Compare one budget in the transaction that has changed it and holds its workspace."""
    return _compare(budget, "", now)


def _seen(workspace_ids: Collection[UUID]) -> dict[UUID, str]:
    if not workspace_ids:
        return {}
    with prepared_cursor() as cursor:
        cursor.execute(_SEEN, [array([each.hex for each in workspace_ids])])
        return {workspace_id: text[-200:] for workspace_id, text in cursor}


def _is_due(budget: Budget, seen: dict[UUID, str], now: dt.datetime) -> bool:
    state = state_of(budget)
    today = months.local_date(now, budget.workspace.zone)
    return (
        state is None
        or state.seen != seen.get(budget.workspace_id, "")
        or state.period_start != span_of(budget.period, today).first
        or state.checked_at < budget.changed_at
    )


def _current_and_ended(budgets: Sequence[Budget], now: dt.datetime) -> list[BudgetStanding]:
    """Of each budget its present period, then the one that ended lately, if it held then."""
    asked = []
    for budget in budgets:
        zone = budget.workspace.zone
        span = span_of(budget.period, months.local_date(now, zone))
        asked.append((budget, span))
        start = months.midnight(span.first, zone)
        if now - start < _AFTER and budget.changed_at < start:
            asked.append((budget, span_of(budget.period, span.first - dt.timedelta(days=1))))
    return standings(asked)


def _has_news(standing: BudgetStanding, events: Collection[EventKey], now: dt.datetime) -> bool:
    if any(standing.key(level.percentage) not in events for level in standing.reached):
        return True
    return standing.ends_at > now and _pausing_until(standing) != _paused_until(standing.budget)


def _pausing_until(standing: BudgetStanding) -> dt.datetime | None:
    return standing.ends_at if standing.pauses else None


def _paused_until(budget: Budget) -> dt.datetime | None:
    state = state_of(budget)
    return state.paused_until if state else None


def _state(standing: BudgetStanding, seen: str, now: dt.datetime) -> BudgetState:
    return BudgetState(
        budget_id=standing.budget.pk,
        seen=seen,
        period_start=standing.span.first,
        checked_at=now,
        paused_until=_pausing_until(standing),
    )


def _keep(states: Sequence[tuple[Budget, BudgetState]]) -> None:
    """Of budgets as they were compared: one that was changed or removed since is compared again."""
    if not states:
        return
    with transaction.atomic():
        same = set(
            Budget.objects.filter(pk__in=[budget.pk for budget, _ in states])
            .select_for_update(no_key=True)
            .order_by("pk")
            .values_list("pk", "changed_at")
        )
        BudgetState.objects.bulk_create(
            [state for budget, state in states if (budget.pk, budget.changed_at) in same],
            update_conflicts=True,
            unique_fields=["budget"],
            update_fields=["seen", "period_start", "checked_at", "paused_until"],
        )


def _settled(budget: Budget, seen: str, now: dt.datetime) -> int:
    try:
        return _settle(budget.pk, seen, now)
    except Exception:
        # Nobody's budget holds up another's; it stays due.
        log.exception("budget %s was not compared", budget.pk)
        return 0


def _settle(budget_id: UUID, seen: str, now: dt.datetime) -> int:
    with transaction.atomic():
        workspace_id = (
            Budget.objects.filter(pk=budget_id).values_list("workspace_id", flat=True).first()
        )
        if workspace_id is None:
            return 0
        Workspace.objects.select_for_update(no_key=True).get(pk=workspace_id)
        budget = budgets_with_parts().select_for_update(of=("self",)).filter(pk=budget_id).first()
        return _compare(budget, seen, now) if budget is not None else 0


def _compare(budget: Budget, seen: str, now: dt.datetime) -> int:
    """Write what it has reached and tell of it; how many levels. With its workspace locked."""
    current, *ended = _current_and_ended([budget], now)
    known = reached_at([current, *ended])
    before = _paused_until(budget)
    _keep([(budget, _state(current, seen, now))])
    if current.pauses or before is not None:
        align_agents(workspace_id=budget.workspace_id, now=now)
    reached = 0
    for standing in (*ended, current):
        events = [
            BudgetEvent(
                budget=budget,
                workspace_id=budget.workspace_id,
                period_start=standing.span.first,
                amount=budget.amount,
                percentage=level.percentage,
                spend=standing.spend,
                notifies=level.notifies,
                pauses=level.pauses,
                created_at=now,
            )
            for level in standing.reached
            if standing.key(level.percentage) not in known
        ]
        BudgetEvent.objects.bulk_create(events)
        reached += len(events)
        # Several at once are one message: the highest says all of it.
        for event in [each for each in events if each.notifies][-1:]:
            tell(event, standing, now=now)
    return reached
