"""Members' access to the pages of their workspaces."""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, Concatenate, NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import Resolver404, get_script_prefix, resolve
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache

from billing.compiled import CompiledQuery
from billing.languages import habits
from billing.models import OwnerView, User, WorkspaceMember
from billing.services.owner_views import has_run_out, owner_view_of

LAST_WORKSPACE = "last_workspace"
# In a session of staff: which look at a workspace, as its owner has it, they have open.
OWNER_VIEW = "owner_view"
IN_MENU = 8


_memberships = CompiledQuery[WorkspaceMember](
    lambda user_id: (
        WorkspaceMember.objects.filter(user_id=user_id)
        .select_related("workspace__tier", "workspace__billing_settings")
        .order_by("workspace__name", "workspace_id")
    )
)


def memberships_of(user: User) -> list[WorkspaceMember]:
    """The user's memberships by the workspaces' names, with all that every page shows of them."""
    return _memberships(user.pk)


def find_membership(memberships: Sequence[WorkspaceMember], workspace_id: UUID) -> WorkspaceMember:
    """The membership in one workspace; what is not yours does not exist (404)."""
    for membership in memberships:
        if membership.workspace_id == workspace_id:
            return membership
    raise Http404("There is no such workspace.")


def _nearest(
    memberships: Sequence[WorkspaceMember], here: WorkspaceMember
) -> Sequence[WorkspaceMember]:
    """Those that the menu of each page has room for; the others are found by their name."""
    if len(memberships) <= IN_MENU:
        return memberships
    return [here, *[each for each in memberships if each != here][: IN_MENU - 1]]


def named_like(memberships: Sequence[WorkspaceMember], text: str) -> list[WorkspaceMember]:
    """Those of workspaces with all the words of `text` in their names, in any case."""
    words = text.casefold().split()
    return [
        each
        for each in memberships
        if all(word in each.workspace.name.casefold() for word in words)
    ]


def require_settings_right(membership: WorkspaceMember) -> None:
    """Only owners and admins change what a workspace pays for (403)."""
    if not membership.may_change_settings:
        raise PermissionDenied("Only an owner or an admin may change this.")


def require_owner(membership: WorkspaceMember) -> None:
    """Who else gets in is for owners to say (403)."""
    if membership.role != WorkspaceMember.Role.OWNER:
        raise PermissionDenied("Only an owner may do this.")


class PageBefore(NamedTuple):
    """The page of this workspace that a link was followed from, with its filter and place."""

    link: str
    view_name: str


def page_before(request: "WorkspaceRequest") -> PageBefore | None:
    """The page that `back` names; None without one, or where it is not a page of this workspace."""
    link = request.GET.get("back", "")
    here = f"{get_script_prefix()}w/{request.membership.workspace_id}/"
    if not link.startswith(here) or not url_has_allowed_host_and_scheme(link, allowed_hosts=None):
        return None
    try:
        found = resolve(urlsplit(link).path)
    except (Resolver404, ValueError):
        return None
    return PageBefore(link, found.view_name)


class WorkspaceRequest(HttpRequest):
    """A request by a member: who they are here, and where else they may go."""

    user: User
    membership: WorkspaceMember
    memberships: list[WorkspaceMember]
    # Of staff who see the page as its owner does, and are no member.
    owner_view: OwnerView | None


_View = Callable[Concatenate[WorkspaceRequest, ...], Any]


def workspace_page(view: _View) -> Callable[..., HttpResponse]:
    """A page at `/w/<workspace_id>/...`: signed in, and a member of that workspace.

    Runs the view in the workspace's timezone, so that templates show its clock.
    """

    @wraps(view)
    def wrapped(request: Any, workspace_id: UUID, *args: Any, **kwargs: Any) -> HttpResponse:
        if repeated := [name for name, values in request.GET.lists() if len(values) > 1]:
            # Of several the last would count, and the others be lost in silence.
            raise BadRequest(f"Given more than once: {', '.join(repeated)}.")
        request.memberships = memberships_of(request.user)
        request.owner_view = _owner_view(request, workspace_id)
        if request.owner_view is None and _has_run_out(request, workspace_id):
            messages.warning(request, "Your look at this workspace as its owner has ended.")
            return redirect("finance:customer", workspace_id)
        if request.owner_view is None:
            request.membership = find_membership(request.memberships, workspace_id)
        elif request.method not in ("GET", "HEAD"):
            raise PermissionDenied("Who sees a workspace as its owner does changes nothing in it.")
        else:
            request.membership = WorkspaceMember(
                workspace=request.owner_view.workspace,
                user=request.user,
                role=WorkspaceMember.Role.VIEWER,
            )
        if request.owner_view is None and request.session.get(LAST_WORKSPACE) != str(workspace_id):
            request.session[LAST_WORKSPACE] = str(workspace_id)
        with timezone.override(request.membership.workspace.zone):
            response: HttpResponse = view(request, *args, **kwargs)
        return response

    # What is owed is nobody else's to find: in a cache, or by the back button after signing out.
    return never_cache(login_required(wrapped))


def _has_run_out(request: WorkspaceRequest, workspace_id: UUID) -> bool:
    """Whether staff follow a link out of a look that has ended, and have no other way in."""
    opened = request.session.get(OWNER_VIEW)
    if not opened or opened["workspace"] != str(workspace_id):
        return False
    if any(each.workspace_id == workspace_id for each in request.memberships):
        return False
    return has_run_out(
        view_id=UUID(opened["id"]), workspace_id=workspace_id, by=request.user, now=timezone.now()
    )


def _owner_view(request: WorkspaceRequest, workspace_id: UUID) -> OwnerView | None:
    """The second way in, beside membership: a look that was opened in the admin, under a right of
    its own. It has ended after half an hour, and a member's own page is never such a look."""
    opened = request.session.get(OWNER_VIEW)
    if not opened or opened["workspace"] != str(workspace_id):
        return None
    if any(each.workspace_id == workspace_id for each in request.memberships):
        return None
    return owner_view_of(
        view_id=UUID(opened["id"]), workspace_id=workspace_id, by=request.user, now=timezone.now()
    )


def render_page(
    request: WorkspaceRequest,
    template: str,
    context: dict[str, Any],
    *,
    section: str,
    status: int = 200,
) -> HttpResponse:
    """Render `template` inside the workspace's frame, `section` lit in its navigation."""
    workspace = request.membership.workspace
    frame = {
        "workspace": workspace,
        "currency": workspace.currency,
        "membership": request.membership,
        "memberships": _nearest(request.memberships, request.membership),
        "membership_count": len(request.memberships),
        "clock": habits().time_zone or workspace.timezone,
        "section": section,
        "owner_view": request.owner_view,
    }
    return render(request, template, {**frame, **context}, status=status)
