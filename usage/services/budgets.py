"""Budgets made, changed and removed; what follows from it happens in the same transaction."""

import base64
import datetime as dt
import secrets
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as _noop

from billing.decimals import NotExact, exact_decimal
from billing.errors import Conflict, Invalid, NotFound
from billing.models import Workspace, WorkspaceMember
from billing.services.members import known_address
from billing.services.workspaces import named
from billing.text import RESOURCE_TYPE
from billing.webhooks import UnfitAddress, check_address
from usage.models import Budget, BudgetDelivery, BudgetLevel, BudgetRecipient, VoiceAgent
from usage.queries.budgets import budgets_with_parts
from usage.services.agents import align_agents
from usage.services.budget_checks import compare_now

MAX_BUDGETS = 50
MAX_LEVELS = 5
MAX_RECIPIENTS = 20
_LARGEST_PERCENTAGE = Decimal(999)
_UNFIT = {
    "invalid_url": _noop("An address is expected, as in https://hooks.example.com/budgets."),
    "https_only": _noop("Only an address with https:// is written to."),
    "url_with_password": _noop("An address with a name and password in it is not taken."),
    "private_address": _noop("An address of a private network is not written to."),
}


class BudgetExists(Conflict):
    code = "name_taken"


class TooManyBudgets(Conflict):
    code = "too_many_budgets"


class Level(NamedTuple):
    percentage: Decimal
    notifies: bool = True
    pauses: bool = False


class SavedBudget(NamedTuple):
    """`secret` is what webhooks are signed with, where it was made now: it is not shown again."""

    budget: Budget
    secret: str | None = None


# What a budget is made of; `update_budget` takes any of them.
#   name, scope, agent_id, resource_type, period, amount
#   levels: Level, ...; member_ids: members that are told; emails: further addresses
#   webhook: None, or {"kind", "url"}; without a url the one that is kept stays
#   new_secret: whether webhooks are signed with another secret from now on
Facts = Mapping[str, Any]


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
    _take_what_it_counts(budget, facts)
    secret = _take_webhook(budget, facts)
    levels = _checked_levels(facts["levels"]) if "levels" in facts else None
    recipients = _checked_recipients(budget, facts)
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


def _take_what_it_counts(budget: Budget, facts: Facts) -> None:
    if "name" in facts:
        budget.name = named(facts["name"])
        if len(budget.name) > 100:
            raise Invalid(_("At most 100 characters."), field="name", code="too_long")
    for name, choices in (("scope", Budget.Scope.values), ("period", Budget.Period.values)):
        if name in facts:
            if facts[name] not in choices:
                raise Invalid(
                    _("One of {choices} is expected.").format(choices=", ".join(choices)),
                    field=name,
                    code="invalid_choice",
                )
            setattr(budget, name, facts[name])
    if "amount" in facts:
        budget.amount = _exact("amount", facts["amount"], integer_digits=14)
        if budget.amount <= 0:
            raise Invalid(_("More than 0 is expected."), field="amount", code="too_small")
    for name in ("name", "scope", "period", "amount"):
        if budget._state.adding and name not in facts:
            raise Invalid(_("This is expected."), field=name, code="required")
    if {"scope", "agent_id", "resource_type"} & facts.keys():
        _take_subject(budget, facts)


def _take_subject(budget: Budget, facts: Facts) -> None:
    agent_id = facts.get("agent_id", budget.agent_id)
    resource_type = facts.get("resource_type", budget.resource_type) or ""
    if budget.scope != Budget.Scope.AGENT:
        if facts.get("agent_id") is not None:
            raise Invalid(
                _("Only a budget of an agent names one."), field="agent_id", code="not_expected"
            )
        agent_id = None
    elif agent_id is None:
        raise Invalid(_("Which agent is expected."), field="agent_id", code="required")
    elif not VoiceAgent.objects.filter(pk=agent_id, workspace=budget.workspace_id).exists():
        raise Invalid(
            _("There is no such agent in this workspace."), field="agent_id", code="unknown_agent"
        )
    if budget.scope != Budget.Scope.RESOURCE_TYPE:
        if facts.get("resource_type"):
            raise Invalid(
                _("Only a budget of a resource type names one."),
                field="resource_type",
                code="not_expected",
            )
        resource_type = ""
    elif not RESOURCE_TYPE.fullmatch(resource_type):
        raise Invalid(
            _("A resource type is expected, as call_minutes."),
            field="resource_type",
            code="invalid_resource_type" if resource_type else "required",
        )
    budget.agent_id, budget.resource_type = agent_id, resource_type


def _exact(field: str, value: object, *, integer_digits: int) -> Decimal:
    try:
        return exact_decimal(value, integer_digits=integer_digits, decimals=4)
    except NotExact as error:
        raise Invalid(error.detail, field=field, code=error.code) from None


def _take_webhook(budget: Budget, facts: Facts) -> str | None:
    """The new secret where one was made."""
    if "webhook" in facts:
        webhook = facts["webhook"]
        if webhook is None:
            budget.webhook_kind = budget.webhook_url = budget.webhook_secret = ""
        else:
            if webhook["kind"] not in (Budget.Webhook.SLACK, Budget.Webhook.GENERIC):
                raise Invalid(
                    _("One of {choices} is expected.").format(choices="slack, generic"),
                    field="webhook/kind",
                    code="invalid_choice",
                )
            if url := webhook.get("url"):
                budget.webhook_url = _fit_url(url)
            elif not budget.webhook_url:
                raise Invalid(_("An address is expected."), field="webhook/url", code="required")
            budget.webhook_kind = webhook["kind"]
    if budget.webhook_kind != Budget.Webhook.GENERIC:
        budget.webhook_secret = ""
        return None
    if budget.webhook_secret and not facts.get("new_secret"):
        return None
    # As Standard Webhooks have it: what reads them exists in many languages.
    budget.webhook_secret = f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"
    return budget.webhook_secret


def _fit_url(url: str) -> str:
    try:
        check_address(url)
    except UnfitAddress as unfit:
        raise Invalid(_(_UNFIT[unfit.code]), field="webhook/url", code=unfit.code) from None
    return url


def _checked_levels(levels: Sequence[Level]) -> list[Level]:
    if not 1 <= len(levels) <= MAX_LEVELS:
        raise Invalid(
            _("One to {most} levels are expected.").format(most=MAX_LEVELS),
            field="levels",
            code="required" if not levels else "too_many",
        )
    checked: list[Level] = []
    for place, level in enumerate(levels):
        at = f"levels/{place}"
        percentage = _exact(f"{at}/percentage", level.percentage, integer_digits=3)
        if not 0 < percentage <= _LARGEST_PERCENTAGE:
            raise Invalid(
                _("More than 0 % and at most 999 % is expected."),
                field=f"{at}/percentage",
                code="out_of_range",
            )
        if any(percentage == each.percentage for each in checked):
            raise Invalid(
                _("There is a level at this percentage already."),
                field=f"{at}/percentage",
                code="repeated",
            )
        if not (level.notifies or level.pauses):
            raise Invalid(
                _("A level notifies, pauses or does both."), field=f"{at}/notify", code="required"
            )
        checked.append(Level(percentage, level.notifies, level.pauses))
    return checked


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


def _checked_recipients(
    budget: Budget, facts: Facts
) -> tuple[set[UUID] | None, list[str] | None] | None:
    if "member_ids" not in facts and "emails" not in facts:
        return None
    members: set[UUID] | None = None
    emails: list[str] | None = None
    if "member_ids" in facts:
        asked: Collection[UUID] = facts["member_ids"]
        known = WorkspaceMember.objects.filter(workspace=budget.workspace_id, pk__in=set(asked))
        members = set(known.values_list("pk", flat=True))
        for place, pk in enumerate(asked):
            if pk not in members:
                raise Invalid(
                    _("Nobody of this workspace."),
                    field=f"member_ids/{place}",
                    code="unknown_member",
                )
    if "emails" in facts:
        found: dict[str, str] = {}
        for place, text in enumerate(facts["emails"]):
            address = known_address(f"emails/{place}", text)
            found.setdefault(address.lower(), address)
        emails = list(found.values())
    return members, emails


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
