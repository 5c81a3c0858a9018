"""API views of a workspace's usage summary and analytics."""

import datetime as dt
from uuid import UUID

from django.utils import timezone as clock
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from analytics.api.serializers import AnalyticsSerializer, UsageSummarySerializer
from analytics.summaries import usage_summary, workspace_analytics
from billing import months
from billing.api.access import visible_or_404
from billing.api.fields import exact_uuid
from billing.api.problems import InvalidParameters
from billing.api.views import ApiView
from billing.decimals import NotExact
from billing.errors import NotFound
from billing.models import BillingPeriod, Workspace
from billing.queries import active_period, with_totals

# Longer than any report needs, and short enough that a request stays cheap.
_MAX_DAYS = 1_100


class UsageSummaryView(ApiView):
    """What a billing period's usage costs the workspace, by resource type and by provider."""

    required_scopes = {"GET": "usage:read"}
    parameters = frozenset({"billing_period_id"})
    serializer_class = UsageSummarySerializer

    @extend_schema(
        operation_id="workspaces_usage_summary",
        parameters=[
            OpenApiParameter(
                "billing_period_id",
                OpenApiTypes.UUID,
                description="Default: the one that usage of now enters.",
            )
        ],
    )
    def get(self, request: Request, workspace_id: UUID) -> Response:
        workspace = _workspace(request, workspace_id)
        text = request.query_params.get("billing_period_id", "")
        period = (
            _period(workspace, text)
            if text
            else active_period(workspace_id=workspace.pk, at=clock.now())
        )
        summary = usage_summary(workspace=workspace, period=period)
        return Response(UsageSummarySerializer(summary).data)


class AnalyticsView(ApiView):
    """Calls that started, and usage that occurred, on days of the workspace's calendar."""

    required_scopes = {"GET": "usage:read"}
    parameters = frozenset({"from", "to"})
    serializer_class = AnalyticsSerializer

    @extend_schema(
        operation_id="workspaces_analytics",
        parameters=[
            OpenApiParameter(
                "from", OpenApiTypes.DATE, description="Default: the first of this month."
            ),
            OpenApiParameter(
                "to", OpenApiTypes.DATE, description="Exclusive. Default: the first of the next."
            ),
        ],
    )
    def get(self, request: Request, workspace_id: UUID) -> Response:
        workspace = _workspace(request, workspace_id)
        start, end = _days(request, workspace, clock.now())
        figures = workspace_analytics(workspace=workspace, start=start, end=end)
        return Response(AnalyticsSerializer(figures).data)


def _workspace(request: Request, workspace_id: UUID) -> Workspace:
    return visible_or_404(Workspace.objects.all(), request, workspace="pk", pk=workspace_id)


def _period(workspace: Workspace, text: str) -> BillingPeriod:
    try:
        period_id = exact_uuid(text)
    except NotExact:
        raise InvalidParameters({"billing_period_id": "A UUID is expected."}) from None
    periods = with_totals(BillingPeriod.objects.filter(workspace=workspace, pk=period_id))
    if (period := periods.first()) is None:
        raise NotFound("There is no such billing period.")
    return period


def _days(request: Request, workspace: Workspace, now: dt.datetime) -> tuple[dt.date, dt.date]:
    """The days asked for, `[from, to)`; those of the month that runs where not given."""
    first = months.local_date(now, workspace.zone).replace(day=1)
    start = _day(request, "from") or first
    end = _day(request, "to") or months.first_of_next_month(first)
    if start >= end:
        raise InvalidParameters({"to": f"Must be after from ({start}); it is exclusive."})
    if (end - start).days > _MAX_DAYS:
        raise InvalidParameters({"from": f"At most {_MAX_DAYS} days at once."})
    return start, end


def _day(request: Request, name: str) -> dt.date | None:
    text = request.query_params.get(name)
    if not text:
        return None
    try:
        return dt.datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007 a calendar day
    except ValueError:
        raise InvalidParameters({name: "A date is expected, as 2026-11-22."}) from None
