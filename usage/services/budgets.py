"""Budgets made, changed and removed; what follows from it happens in the same transaction."""

import datetime as dt
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from billing.errors import Conflict, Invalid, NotFound
from billing.models import Workspace, WorkspaceMember
from usage.models import Budget, BudgetDelivery, BudgetLevel, BudgetRecipient
from usage.queries.budgets import budgets_with_parts
from usage.services.agents import align_agents
from usage.services.budget_checks import compare_now
from usage.services.budget_facts import (
    MAX_RECIPIENTS,
    Facts,
    Level,
    checked_levels,
    checked_recipients,
    take_webhook,
    take_what_it_counts,
)

MAX_BUDGETS = 50


class BudgetExists(Conflict):
    code = "name_taken"


class TooManyBudgets(Conflict):
    code = "too_many_budgets"


class SavedBudget(NamedTuple):
    """`secret` is what webhooks are signed with, where it was made now: it is not shown again."""

    budget: Budget
    secret: str | None = None


def create_budget(*, workspace_id: UUID, facts: Facts, now: dt.datetime) -> SavedBudget:
    """Raises `Invalid` with the field, `BudgetExists` for a name that is taken, `NotFound` and
    `TooManyBudgets`. Without `member_ids` and `emails` the owners are told."""
    with transaction.atomic():
        workspace = _locked(workspace_id)
        if workspace.budgets.count() >= MAX_BUDGETS:
            raise TooManyBudgets(
                _("A workspace has {most} budgets at most.").format(most=MAX_BUDGETS)
            )
        budget = Budget(workspace=workspace, created_at=now)
        facts = dict(facts)
        if "member_ids" not in facts and "emails" not in facts:
            facts["member_ids"] = _owners(workspace)
        return _write(budget, facts, now)


def update_budget(
    *, workspace_id: UUID, budget_id: UUID, changes: Facts, now: dt.datetime
) -> SavedBudget:
    """Change what is named. A pause that the change ends is lifted, one that it begins begins."""
    with transaction.atomic():
        _locked(workspace_id)
        return _write(_of(workspace_id, budget_id), changes, now)


def remove_budget(*, workspace_id: UUID, budget_id: UUID, now: dt.datetime) -> None:
    """The agents that it paused come back, but for those that something else pauses."""
    with transaction.atomic():
        _locked(workspace_id)
        _of(workspace_id, budget_id).delete()
        align_agents(workspace_id=workspace_id, now=now)


def last_deliveries(budgets: Sequence[Budget]) -> dict[UUID, BudgetDelivery]:
    """Of each budget with a webhook the latest one. One query."""
    asked = [budget.pk for budget in budgets if budget.webhook_kind]
    if not asked:
        return {}
    rows = BudgetDelivery.objects.filter(event__budget__in=asked).select_related("event")
    latest = rows.order_by("event__budget_id", "-requested_at").distinct("event__budget_id")
    return {row.event.budget_id: row for row in latest}


def _locked(workspace_id: UUID) -> Workspace:
    workspace = Workspace.objects.select_for_update(no_key=True).filter(pk=workspace_id).first()
    if workspace is None:
        raise NotFound(f"There is no workspace {workspace_id}.")
    return workspace


def _of(workspace_id: UUID, budget_id: UUID) -> Budget:
    budget = (
        budgets_with_parts()
        .select_for_update(of=("self",))
        .filter(workspace=workspace_id, pk=budget_id)
        .first()
    )
    if budget is None:
        raise NotFound("There is no such budget.")
    return budget


def _owners(workspace: Workspace) -> list[UUID]:
    owners = workspace.memberships.filter(role=WorkspaceMember.Role.OWNER, user__is_active=True)
    return list(owners.values_list("pk", flat=True)[:MAX_RECIPIENTS])


def _write(budget: Budget, facts: Facts, now: dt.datetime) -> SavedBudget:
    """In the transaction that holds the workspace."""
    take_what_it_counts(budget, facts)
    secret = take_webhook(budget, facts)
    levels = checked_levels(facts["levels"]) if "levels" in facts else None
    recipients = checked_recipients(budget, facts)
    others = Budget.objects.filter(workspace=budget.workspace_id, name=budget.name)
    if others.exclude(pk=budget.pk).exists():
        raise BudgetExists(_("There is a budget of this name already."), field="name")
    if budget._state.adding and levels is None:
        raise Invalid(_("At least one level is expected."), field="levels", code="required")
    budget.changed_at = now
    budget.save()
    if levels is not None:
        _replace_levels(budget, levels)
    if recipients is not None:
        _replace_recipients(budget, *recipients)
    stored = _of(budget.workspace_id, budget.pk)
    _check_recipients(stored, facts)
    compare_now(stored, now=now)
    return SavedBudget(_of(budget.workspace_id, budget.pk), secret)


def _replace_levels(budget: Budget, levels: Sequence[Level]) -> None:
    """Only what differs is written: the log names what changed."""
    kept = set()
    for row in budget.levels.all():
        found = Level(row.percentage, row.notifies, row.pauses)
        if found in levels:
            kept.add(found)
        else:
            row.delete()
    BudgetLevel.objects.bulk_create(
        [
            BudgetLevel(budget=budget, workspace_id=budget.workspace_id, **level._asdict())
            for level in levels
            if level not in kept
        ]
    )


def _replace_recipients(
    budget: Budget, members: set[UUID] | None, emails: list[str] | None
) -> None:
    rows = {row.member_id or row.email: row for row in budget.recipients.all()}
    wanted: list[BudgetRecipient] = []
    gone: list[BudgetRecipient] = []
    for asked, is_member in ((members, True), (emails, False)):
        if asked is None:
            continue
        gone += [
            row
            for key, row in rows.items()
            if bool(row.member_id) is is_member and key not in asked
        ]
        for key in asked:
            if key not in rows:
                who = {"member_id": key} if is_member else {"email": key}
                wanted.append(
                    BudgetRecipient(budget=budget, workspace_id=budget.workspace_id, **who)
                )
    for row in gone:
        row.delete()
    BudgetRecipient.objects.bulk_create(wanted)


def _check_recipients(budget: Budget, facts: Facts) -> None:
    """Those that are new and those that stay together."""
    if budget.recipients.count() > MAX_RECIPIENTS:
        raise Invalid(
            _("At most {most} are told.").format(most=MAX_RECIPIENTS),
            field="emails" if facts.get("emails") else "member_ids",
            code="too_many",
        )
    # A level that tells nobody would be found out too late.
    notifies = any(level.notifies for level in budget.levels.all())
    if notifies and not budget.recipients.all() and not budget.webhook_kind:
        raise Invalid(
            _("Somebody to tell is expected: a person, an address or a webhook."),
            field="member_ids",
            code="nobody_to_tell",
        )
