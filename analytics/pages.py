"""Pages of analytics."""

from uuid import UUID

from django.http import Http404, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_GET

from analytics.dashboard import active_id, chosen_period, overview, periods_of
from billing.access import WorkspaceRequest, render_page, workspace_page


@require_GET
@workspace_page
def dashboard(request: WorkspaceRequest) -> HttpResponse:
    now = timezone.now()
    periods = periods_of(request.membership.workspace_id)
    asked = request.GET.get("period")
    active = active_id(request.membership.workspace_id, now)
    period = chosen_period(periods, _uuid(asked) if asked else None, active)
    if asked and period is None:
        raise Http404("This workspace has no such billing period.")
    context = overview(
        membership=request.membership, periods=periods, period=period, active=active, now=now
    )
    return render_page(request, "analytics/dashboard.html", context, section="overview")


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Http404("That is no billing period.") from None
