"""Pages of usage records and agents."""

from typing import Any

from django.core.paginator import Paginator
from django.db.models import Count, Max, Min, Sum
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from billing.access import WorkspaceRequest, render_page, workspace_page
from billing.compiled import CompiledQuery
from billing.keyset import requested_page
from billing.models import BillingPeriod
from billing.money import ZERO
from billing.queries import shows_cost
from billing.replica import PRIMARY, lagging_source
from usage.exports import records_csv
from usage.filters import RecordFilter
from usage.models import UsageRecord, VoiceAgent
from usage.queries.records import whole_period_prices_of

PAGE_SIZE = 25
# How htmx names the element that a filter form replaces.
RESULTS = "section#results"
# Periods offered in the filter.
MAX_PERIODS = 24


_periods = CompiledQuery[BillingPeriod](
    lambda workspace_id: BillingPeriod.objects.filter(workspace_id=workspace_id).order_by(
        "-period_start"
    )[:MAX_PERIODS]
)


def _record_filter(request: WorkspaceRequest, using: str = PRIMARY) -> RecordFilter:
    workspace = request.membership.workspace
    periods = _periods(workspace.pk)
    for period in periods:
        period.workspace = workspace
    return RecordFilter(
        request.GET,
        queryset=UsageRecord.objects.using(using).filter(workspace=workspace),
        workspace=workspace,
        periods=periods,
    )


@require_GET
@workspace_page
def records(request: WorkspaceRequest) -> HttpResponse:
    choice = _record_filter(request)
    valid = choice.form.is_valid()
    context: dict[str, Any] = {"filter": choice, "valid": valid}
    if valid:
        context["shows_cost"] = shows_cost(request.membership.workspace.billing_settings)
        totals = _totals(choice)
        chosen = choice.within(totals["first_day"], totals["last_day"])
        page = requested_page(request, chosen, by="occurred_at", limit=PAGE_SIZE)
        context |= {
            "page": page,
            "totals": totals,
            "whole_period": whole_period_prices_of(row.rate_id for row in page.rows),
        }
    template = "usage/records.html"
    if request.headers.get("HX-Target") == RESULTS:
        template = "usage/records_results.html"
    return render_page(request, template, context, section="usage", status=200 if valid else 422)


def _totals(choice: RecordFilter) -> dict[str, Any]:
    """How many records were chosen, what they cost, on which days they lie.

    From the rollups, unless it is one call's: those few are summed up themselves.
    """
    rollups = choice.rollups()
    if rollups is None:
        sums = choice.qs.order_by().aggregate(records=Count("pk"), cost=Sum("final_cost"))
        return {**sums, "cost": sums["cost"] or ZERO, "first_day": None, "last_day": None}
    sums = rollups.aggregate(
        records=Sum("records"),
        cost=Sum("final_cost"),
        first_day=Min("usage_date"),
        last_day=Max("usage_date"),
    )
    return {**sums, "records": sums["records"] or 0, "cost": sums["cost"] or ZERO}


@require_GET
@workspace_page
def export(request: WorkspaceRequest) -> HttpResponse | StreamingHttpResponse:
    """The chosen records as CSV, however many they are; as of when, its name says."""
    workspace = request.membership.workspace
    source = lagging_source(now=timezone.now())
    choice = _record_filter(request, source.alias)
    back = f"{reverse('usage:records', args=[workspace.pk])}?{request.GET.urlencode()}"
    if not choice.form.is_valid():
        return redirect(back)
    totals = _totals(choice)
    return records_csv(
        f"usage-{source.as_of:%Y-%m-%dT%H%MZ}.csv",
        choice.within(totals["first_day"], totals["last_day"]),
        currency=workspace.currency,
        timezone=workspace.zone,
        with_cost=shows_cost(workspace.billing_settings),
    )


@require_GET
@workspace_page
def agents(request: WorkspaceRequest) -> HttpResponse:
    workspace = request.membership.workspace
    everyone = VoiceAgent.objects.filter(workspace=workspace)
    counts = dict(everyone.order_by().values_list("status").annotate(Count("pk")))
    status = request.GET.get("status", "")
    chosen = everyone.filter(status=status) if status in VoiceAgent.Status.values else everyone
    page = Paginator(chosen.order_by("name", "pk"), PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "status": status,
        "statuses": [(value, counts.get(value, 0)) for value in ("live", "paused", "draft")],
        "total": sum(counts.values()),
    }
    return render_page(request, "usage/agents.html", context, section="agents")
