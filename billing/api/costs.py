"""Costs taken out of API answers for those who may not see them.

What providers charge, and the markup that tells it, is in no answer to a workspace's members, nor
to a key of theirs, nor to one that may read usage and nothing else, unless the workspace shows it.
It is done here, to the finished answer, so that no endpoint can forget it.
"""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from billing.api.access import Authenticated
from billing.models import ServiceKey
from billing.queries import workspaces_that_show_cost

COST_FIELDS = frozenset(
    """
    unit_cost total_cost cost_currency exchange_rate cost_state markup_percentage margin
    margin_percentage min_margin_percentage is_below_least_margin owners_see
    """.split()
)
# Of these, `total_cost` is a price in the analytics of calls.
_PRICES_THERE = "total_calls"


def sees_all_costs(request: Authenticated) -> bool:
    """Whether the caller is a service of the platform with more to do than to read usage."""
    key = request.auth
    return isinstance(key, ServiceKey) and not key.by_owner and set(key.scopes) != {"usage:read"}


def without_hidden_costs(data: Any, *, workspace_id: UUID | None) -> Any:
    """`data` without costs of workspaces that hide them; `workspace_id` is that of the address.

    What belongs to no workspace, as a rate card does, hides its costs.
    """
    named: set[str] = set()
    if not _find(data, str(workspace_id) if workspace_id else "", named):
        return data
    shown = {str(each) for each in workspaces_that_show_cost([UUID(one) for one in named if one])}
    return _stripped(data, str(workspace_id) if workspace_id else "", shown)


def _find(data: Any, workspace: str, named: set[str]) -> bool:
    """Whether there are costs in `data`; the workspaces they are of are added to `named`."""
    if isinstance(data, dict):
        workspace = str(data.get("workspace_id") or workspace)
        found = _has_costs(data)
        if found:
            named.add(workspace)
        parts: Iterable[Any] = data.values()
    elif isinstance(data, list | tuple):
        found, parts = False, data
    else:
        return False
    for part in parts:
        found |= _find(part, workspace, named)
    return found


def _has_costs(data: dict[str, Any]) -> bool:
    return _PRICES_THERE not in data and not COST_FIELDS.isdisjoint(data)


def _stripped(data: Any, workspace: str, shown: set[str]) -> Any:
    if isinstance(data, dict):
        workspace = str(data.get("workspace_id") or workspace)
        hide = _has_costs(data) and workspace not in shown
        return {
            name: _stripped(value, workspace, shown)
            for name, value in data.items()
            if not (hide and name in COST_FIELDS)
        }
    if isinstance(data, list | tuple):
        return [_stripped(value, workspace, shown) for value in data]
    return data
