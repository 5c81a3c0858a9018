"""From a customer's page to the owner's pages of that workspace, read-only, and back."""

from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone as clock
from django.views.decorators.http import require_POST

from billing.access import OWNER_VIEW
from billing.errors import Invalid, NotFound
from billing.models import User
from billing.services.owner_views import MAY_OPEN, leave_owner_view, open_owner_view


@require_POST
def see_as_owner(request: HttpRequest, workspace_id: UUID) -> HttpResponse:
    user = _person(request)
    if not user.has_perm(MAY_OPEN):
        raise PermissionDenied
    try:
        view = open_owner_view(
            workspace_id=workspace_id,
            by=user,
            reason=request.POST.get("reason", ""),
            now=clock.now(),
        )
    except NotFound as error:
        raise Http404(error.detail) from None
    except Invalid as error:
        messages.error(request, error.detail)
        return redirect("finance:customer", workspace_id)
    request.session[OWNER_VIEW] = {"id": str(view.pk), "workspace": str(workspace_id)}
    return redirect("analytics:dashboard", workspace_id)


@require_POST
def leave(request: HttpRequest) -> HttpResponse:
    seen = request.session.pop(OWNER_VIEW, None)
    if not seen:
        return redirect("admin:index")
    leave_owner_view(view_id=UUID(seen["id"]), by=_person(request), now=clock.now())
    return redirect("finance:customer", seen["workspace"])


def _person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user
