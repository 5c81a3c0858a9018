"""API views of billing periods."""

from uuid import UUID

import django_filters
from django.db.models import QuerySet
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.access import visible, visible_or_404
from billing.api.filters import AwareTimeFilter, IdFilter
from billing.api.serializers import PeriodSerializer
from billing.api.views import ApiView
from billing.models import BillingPeriod
from billing.queries import with_totals


class PeriodFilter(django_filters.FilterSet):
    workspace_id = IdFilter()
    status = django_filters.ChoiceFilter(choices=BillingPeriod.Status.choices)
    ended_before = AwareTimeFilter(field_name="period_end", lookup_expr="lte")


def shown_periods() -> "QuerySet[BillingPeriod]":
    return with_totals(BillingPeriod.objects.select_related("workspace"))


class PeriodList(ApiView, ListAPIView):
    """Billing periods, latest first; a current one shows what it would come to now."""

    required_scopes = {"GET": "billing:read"}
    lists = True
    queryset = BillingPeriod.objects.all()
    serializer_class = PeriodSerializer
    filterset_class = PeriodFilter
    ordering = ("-period_start", "-id")

    def get_queryset(self) -> "QuerySet[BillingPeriod]":
        return visible(shown_periods(), self.request)


class PeriodDetail(ApiView):
    """One billing period; while it is current, with live totals."""

    required_scopes = {"GET": "billing:read"}
    serializer_class = PeriodSerializer

    def get(self, request: Request, period_id: UUID) -> Response:
        return Response(
            PeriodSerializer(visible_or_404(shown_periods(), request, pk=period_id)).data
        )
