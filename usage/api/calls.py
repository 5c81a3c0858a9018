"""API views of calls and their receipts."""

from typing import Any
from uuid import UUID

import django_filters
from django.db.models import QuerySet
from django.http import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.access import visible, visible_or_404, visible_workspaces
from billing.api.filters import AwareTimeFilter, IdFilter, ProviderFilter
from billing.api.views import ApiView, ByWorkspace, HotView
from billing.errors import NotFound
from billing.id_ranges import IdRange
from billing.models import Workspace
from billing.money import ZERO
from usage.api.hot import HOT_ENDPOINTS
from usage.api.records import READ
from usage.api.serializers import (
    CallSerializer,
    NewCallSerializer,
    ReceiptSerializer,
    StoredCallSerializer,
)
from usage.models import Call, UsageRecord
from usage.queries.records import whole_period_prices, workspaces_with_calls


class CallListFilter(django_filters.FilterSet):
    workspace_id = IdFilter()
    agent_id = IdFilter()
    status = django_filters.ChoiceFilter(choices=Call.Status.choices)
    direction = django_filters.ChoiceFilter(choices=Call.Direction.choices)
    provider = ProviderFilter()
    started_after = AwareTimeFilter(
        field_name="started_at", lookup_expr="gte", help_text="Inclusive."
    )
    started_before = AwareTimeFilter(
        field_name="started_at", lookup_expr="lt", help_text="Exclusive."
    )


class CallList(HotView, ByWorkspace, ListAPIView):
    """Calls, workspace by workspace, latest start first."""

    required_scopes = {"GET": READ}
    hot = HOT_ENDPOINTS
    queryset = Call.objects.all()
    serializer_class = CallSerializer
    filterset_class = CallListFilter
    ordering = ("-started_at", "-id")

    def get_queryset(self) -> "QuerySet[Call]":
        return visible(super().get_queryset(), self.request)

    @extend_schema(
        operation_id="calls_create",
        description="Records a call; a later post of the same call brings it up to date (200).",
        request=NewCallSerializer,
        responses={200: StoredCallSerializer, 201: StoredCallSerializer},
    )
    def post(self, request: Request) -> HttpResponseBase:
        return self.http_method_not_allowed(request)


class CallDetail(ApiView):
    """One call, as it was reported last."""

    required_scopes = {"GET": READ}
    serializer_class = CallSerializer

    def get(self, request: Request, call_id: UUID) -> Response:
        return Response(
            CallSerializer(visible_or_404(Call.objects.all(), request, pk=call_id)).data
        )


class Receipt(ApiView):
    """Every usage record of a call, and their exact sum."""

    required_scopes = {"GET": READ}
    serializer_class = ReceiptSerializer

    def get(self, request: Request, call_id: UUID) -> Response:
        call = visible(Call.objects.all(), request).filter(pk=call_id).first()
        if call is not None:
            workspace_id = call.workspace_id
        else:
            having = workspaces_with_calls(
                IdRange(call_id, call_id), workspace_ids=visible_workspaces(request)
            )
            if not having:
                raise NotFound("There is no such call.")
            workspace_id = having[0]
        of_workspace = list(
            UsageRecord.objects.filter(workspace=workspace_id, call=call_id).order_by(
                "occurred_at", "id"
            )
        )
        receipt: dict[str, Any] = {
            "call_id": call_id,
            "workspace_id": workspace_id,
            "currency": Workspace.objects.values_list("currency", flat=True).get(pk=workspace_id),
            "call": call,
            "records": of_workspace,
            "total_cost": sum((record.total_cost for record in of_workspace), ZERO),
            "whole_period_prices": whole_period_prices(
                UsageRecord.objects.filter(workspace=workspace_id, call=call_id)
            ),
            "final_cost": sum((record.final_cost for record in of_workspace), ZERO),
        }
        return Response(ReceiptSerializer(receipt).data)
