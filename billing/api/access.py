"""Scoping of API reads to the caller's workspaces: everything else is 404, never 403."""

from typing import Any, Protocol, TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet

from billing.errors import NotFound
from billing.models import ServiceKey, WorkspaceMember

_M = TypeVar("_M", bound=Model)


class Authenticated(Protocol):
    """A request whose caller is known: `auth` is a service key, or `user` a member."""

    auth: Any
    user: Any


def caller_name(request: Authenticated) -> str:
    """Who asks, as histories name it."""
    return f"service key {request.auth}" if request.auth else str(request.user)


def visible_workspaces(request: Authenticated) -> list[UUID] | None:
    """Ids of the workspaces the caller may see; None for a key that may see every one."""
    if isinstance(request.auth, ServiceKey):
        bound_to = request.auth.workspace_id
        return None if bound_to is None else [bound_to]
    return list(
        WorkspaceMember.objects.filter(user=request.user).values_list("workspace_id", flat=True)
    )


def may_see(request: Authenticated, workspace_id: UUID) -> bool:
    visible = visible_workspaces(request)
    return visible is None or workspace_id in visible


def visible(
    queryset: QuerySet[_M], request: Authenticated, *, workspace: str = "workspace_id"
) -> QuerySet[_M]:
    """`queryset` without other workspaces' rows; `workspace` is the look-up of a row's own."""
    ids = visible_workspaces(request)
    if ids is None:
        return queryset
    if len(ids) == 1:
        return queryset.filter(**{workspace: ids[0]})
    return queryset.filter(**{f"{workspace}__in": ids})


def visible_or_404(
    queryset: QuerySet[_M],
    request: Authenticated,
    *,
    workspace: str = "workspace_id",
    **lookup: object,
) -> _M:
    """The one row of `queryset` that `lookup` names; `NotFound` when unknown or another's."""
    row = visible(queryset, request, workspace=workspace).filter(**lookup).first()
    if row is None:
        name = queryset.model._meta.verbose_name
        raise NotFound(f"There is no such {name}.")
    return row
