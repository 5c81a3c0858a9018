"""What a budget is made of: each fact checked as it was typed or sent, and refused by its name."""

import base64
import secrets
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as _noop

from billing.decimals import NotExact, exact_decimal
from billing.errors import Invalid
from billing.models import WorkspaceMember
from billing.services.members import known_address
from billing.services.workspaces import named
from billing.text import RESOURCE_TYPE
from billing.webhooks import UnfitAddress, check_address
from usage.models import Budget, VoiceAgent

MAX_LEVELS = 5
MAX_RECIPIENTS = 20
_LARGEST_PERCENTAGE = Decimal(999)
_UNFIT = {
    "invalid_url": _noop("An address is expected, as in https://hooks.example.com/budgets."),
    "https_only": _noop("Only an address with https:// is written to."),
    "url_with_password": _noop("An address with a name and password in it is not taken."),
    "private_address": _noop("An address of a private network is not written to."),
}


class Level(NamedTuple):
    percentage: Decimal
    notifies: bool = True
    pauses: bool = False


# What a budget is made of; `update_budget` takes any of them.
#   name, scope, agent_id, resource_type, period, amount
#   levels: Level, ...; member_ids: members that are told; emails: further addresses
#   webhook: None, or {"kind", "url"}; without a url the one that is kept stays
#   new_secret: whether webhooks are signed with another secret from now on
Facts = Mapping[str, Any]


def take_what_it_counts(budget: Budget, facts: Facts) -> None:
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


def take_webhook(budget: Budget, facts: Facts) -> str | None:
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


def checked_levels(levels: Sequence[Level]) -> list[Level]:
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


def checked_recipients(
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
