"""Pages of analytics."""

from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_GET

from analytics.bill_comparison import compare_bills
from analytics.bill_comparison_page import ComparisonView, pair_of
from analytics.dashboard import active_id, chosen_period, overview, periods_of
from analytics.range_view import RangeView
from analytics.ranges import RangeForm
from billing.access import WorkspaceRequest, render_page, workspace_page
from billing.months import local_date
from billing.queries import add_totals


@require_GET
@workspace_page
def dashboard(request: WorkspaceRequest) -> HttpResponse:
    now = timezone.now()
    periods = periods_of(request.membership.workspace, now)
    asked = request.GET.get("period")
    active = active_id(periods)
    period = chosen_period(periods, _uuid(asked) if asked else None, active)
    if asked and period is None:
        raise Http404("This workspace has no such billing period.")
    context = overview(
        membership=request.membership, periods=periods, period=period, active=active, now=now
    )
    return render_page(request, "analytics/dashboard.html", context, section="overview")


@require_GET
@workspace_page
def spend(request: WorkspaceRequest) -> HttpResponse:
    """Spend of any days, beside those of others."""
    workspace = request.membership.workspace
    form = RangeForm(request.GET, today=local_date(timezone.now(), workspace.zone))
    valid = form.is_valid()
    context: dict[str, Any] = {"form": form, "valid": valid}
    if valid:
        context |= RangeView(workspace, form.span, form.compared).context()
    return render_page(
        request,
        "analytics/range.html",
        context,
        section="overview",
        status=200 if valid else 422,
    )


@require_GET
@workspace_page
def compare(request: WorkspaceRequest) -> HttpResponse:
    """Why the bill of one month differs from another's."""
    now = timezone.now()
    periods = periods_of(request.membership.workspace, now)
    asked, other = (
        _uuid(text) if (text := request.GET.get(name)) else None for name in ("period", "with")
    )
    period = chosen_period(periods, asked, active_id(periods))
    if asked and period is None:
        raise Http404("This workspace has no such billing period.")
    before = pair_of(periods, period, other) if period else None
    if other and before is None:
        raise Http404("This workspace has no such billing period.")
    context: dict[str, Any] = {"periods": periods, "period": period, "before": before}
    if period and before:
        # What a closed one came to stands in it.
        add_totals([each for each in (period, before) if each.is_current])
        context |= ComparisonView(compare_bills(before, period, at=now)).context()
    return render_page(request, "analytics/compare.html", context, section="overview")


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Http404("That is no billing period.") from None
