"""What a workspace's usage was of: the choices of its filters.

A year of a busy workspace has a hundred thousand rows by agent and model, and no index that leads
to their few different ones: they are kept for some minutes.
"""

from typing import NamedTuple
from uuid import UUID

from django.core.cache import cache

from usage.models import DimensionRollup, UsageRollup

_SECONDS = 300


class Used(NamedTuple):
    """In the order of their names; agents with their ids as text."""

    types: list[str]
    providers: list[str]
    agents: list[tuple[str, str]]
    models: list[str]


def used_by(workspace_id: UUID, *, again: bool = False) -> Used:
    """As it was at most five minutes ago, or `again`: as it is now."""
    key = f"used:{workspace_id}"
    known = None if again else cache.get(key)
    if known is not None:
        return Used(*known)
    used = _read(workspace_id)
    if used.types:  # the first usage is to be seen at once
        cache.set(key, tuple(used), _SECONDS)
    return used


def _read(workspace_id: UUID) -> Used:
    kinds = set(
        UsageRollup.objects.filter(workspace=workspace_id)
        .order_by()
        .values_list("resource_type", "provider")
        .distinct()
    )
    named = set(
        DimensionRollup.objects.filter(workspace=workspace_id)
        .order_by()
        .values_list("agent_id", "agent__name", "model")
        .distinct()
    )
    return Used(
        sorted({resource_type for resource_type, _ in kinds}),
        sorted({provider for _, provider in kinds}),
        sorted({(name, str(pk)) for pk, name, _ in named if pk is not None}),
        sorted({model for *_, model in named if model is not None}),
    )
