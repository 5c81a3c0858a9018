"""Creation and changes of voice agents, and their pausing by limit, budgets and suspension."""

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.dispatch import receiver
from django.utils.translation import ngettext

from billing.errors import Conflict, Invalid, NotFound
from billing.formats import quantity
from billing.models import Workspace
from billing.services.workspaces import fingerprint, named
from billing.signals import admission_changed
from usage.models import VoiceAgent
from usage.queries.admission import Admission, admission_of
from usage.queries.budgets import is_held

_BY_RULE = (
    VoiceAgent.PausedReason.USAGE_LIMIT,
    VoiceAgent.PausedReason.SUSPENDED,
    VoiceAgent.PausedReason.BUDGET,
)
_REASONS = {
    "suspended": VoiceAgent.PausedReason.SUSPENDED,
    "closed": VoiceAgent.PausedReason.SUSPENDED,
    "usage_limit": VoiceAgent.PausedReason.USAGE_LIMIT,
}


class AgentExists(Conflict):
    code = "already_exists"


def align_agents(*, workspace_id: UUID, now: dt.datetime) -> int:
    """Pause or bring back the agents as admission and budgets say; how many changed.

    Agents paused by hand, and drafts, are left alone. Called in the transaction of whatever
    changed the admission; running it again changes nothing.
    """
    return _apply(admission_of(workspace_id, now), workspace_id=workspace_id, now=now)


def realign_agents(workspace_ids: Iterable[UUID], *, now: dt.datetime) -> None:
    """Align the agents of workspaces that a sweep has found, each in a transaction of its own.

    Its workspace is locked before admission is read: whoever suspends it meanwhile would pause
    agents that are then brought back by what held before.
    """
    for workspace_id in workspace_ids:
        with transaction.atomic():
            _lock(workspace_id)
            align_agents(workspace_id=workspace_id, now=now)


def _apply(admission: Admission, *, workspace_id: UUID, now: dt.datetime) -> int:
    agents = VoiceAgent.objects.filter(workspace_id=workspace_id)
    paused = Q(status=VoiceAgent.Status.PAUSED, paused_reason__in=_BY_RULE)
    if admission.allowed or admission.reason is None:
        held = is_held(now)
        returned = agents.filter(paused, ~held).update(
            status=VoiceAgent.Status.LIVE, paused_reason=None, updated_at=now
        )
        return returned + _pause(
            agents.filter(Q(status=VoiceAgent.Status.LIVE) | paused, held),
            VoiceAgent.PausedReason.BUDGET,
            now,
        )
    return _pause(
        agents.filter(Q(status=VoiceAgent.Status.LIVE) | paused), _REASONS[admission.reason], now
    )


def _pause(agents: QuerySet[VoiceAgent], reason: VoiceAgent.PausedReason, now: dt.datetime) -> int:
    """All of them that are not paused for this reason yet; how many."""
    return agents.exclude(paused_reason=reason, status=VoiceAgent.Status.PAUSED).update(
        status=VoiceAgent.Status.PAUSED, paused_reason=reason, updated_at=now
    )


@receiver(admission_changed, dispatch_uid="usage.align_agents")
def _follow_admission(sender: Any, *, workspace_id: UUID, now: dt.datetime, **kwargs: Any) -> str:
    """What became of the agents, in a sentence; "" when nothing did."""
    admission = admission_of(workspace_id, now)
    changed = _apply(admission, workspace_id=workspace_id, now=now)
    if not changed:
        return ""
    if admission.allowed:
        said = ngettext("{n} agent came back.", "{n} agents came back.", changed)
    else:
        said = ngettext("{n} agent was paused now.", "{n} agents were paused now.", changed)
    return said.format(n=quantity(Decimal(changed)))


def create_agent(
    *, agent_id: UUID | None, workspace_id: UUID, name: str, status: str, now: dt.datetime
) -> tuple[VoiceAgent, bool]:
    """The agent and whether it is new; the same id with the same facts again changes nothing,
    whatever has been changed since.

    One made live while its workspace may not take calls starts paused. Raises `AgentExists` for a
    taken id with other facts, and `NotFound` for one that another workspace has.
    """
    name = named(name)
    created_from = fingerprint(str(workspace_id), name, status)
    stored = None if agent_id is None else _made_before(agent_id, workspace_id, created_from)
    if stored is not None:
        return stored, False
    agent = VoiceAgent(
        id=agent_id or uuid4(),
        workspace_id=workspace_id,
        name=name,
        created_from=created_from,
        created_at=now,
    )
    _set_status(agent, status)
    try:
        with transaction.atomic():
            _lock(workspace_id)
            agent.save(force_insert=True)
            align_agents(workspace_id=workspace_id, now=now)
    except IntegrityError:
        stored = _made_before(agent.pk, workspace_id, created_from)
        if stored is None:
            raise
        return stored, False
    agent.refresh_from_db()
    return agent, True


def _made_before(agent_id: UUID, workspace_id: UUID, created_from: str) -> VoiceAgent | None:
    stored = VoiceAgent.objects.filter(pk=agent_id).first()
    if stored is None:
        return None
    if stored.workspace_id != workspace_id:
        # Whose it is is nobody else's to know.
        raise NotFound(f"Agent {agent_id} is not one of this workspace.", field="id")
    if stored.created_from != created_from:
        raise AgentExists(f"Agent {agent_id} exists with other facts.", field="id")
    return stored


def update_agent(*, agent_id: UUID, changes: dict[str, Any], now: dt.datetime) -> VoiceAgent:
    """Change `name` or `status`. Pausing is by hand; going live yields to limit,
    budgets and suspension."""
    with transaction.atomic():
        workspace_id = VoiceAgent.objects.values_list("workspace_id", flat=True).get(pk=agent_id)
        _lock(workspace_id)
        agent = VoiceAgent.objects.select_for_update().get(pk=agent_id)
        if "name" in changes:
            agent.name = named(changes["name"])
        if "status" in changes:
            _set_status(agent, changes["status"])
        agent.save(update_fields=["name", "status", "paused_reason", "updated_at"])
        align_agents(workspace_id=workspace_id, now=now)
        agent.refresh_from_db()
        return agent


def _lock(workspace_id: UUID) -> None:
    Workspace.objects.select_for_update(no_key=True).only("pk").get(pk=workspace_id)


def _set_status(agent: VoiceAgent, status: str) -> None:
    if status not in VoiceAgent.Status.values:
        raise Invalid(
            f"Must be one of {', '.join(VoiceAgent.Status.values)}.",
            field="status",
            code="invalid_choice",
        )
    agent.status = status
    agent.paused_reason = (
        VoiceAgent.PausedReason.MANUAL if status == VoiceAgent.Status.PAUSED else None
    )
