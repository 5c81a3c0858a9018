"""Disputes of calls: opened, read, and taken back. People of the platform decide on them."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone as clock
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.access import caller_name, visible_or_404
from billing.api.fields import AwareDateTimeField, ExactDecimalField, PlainTextField
from billing.api.serializers import StrictSerializer
from billing.api.views import ApiView
from billing.models import Workspace
from invoices.payments.models import CallDispute
from invoices.payments.services.call_disputes import open_dispute, withdraw_dispute


class NewDisputeSerializer(StrictSerializer):
    reason = serializers.ChoiceField(choices=CallDispute.Reason.choices)
    text = PlainTextField(max_length=1000)


class DisputeSerializer(serializers.Serializer):
    id = serializers.UUIDField()
    workspace_id = serializers.UUIDField()
    call_id = serializers.UUIDField()
    reason = serializers.ChoiceField(choices=CallDispute.Reason.choices)
    text = serializers.CharField()
    state = serializers.ChoiceField(choices=CallDispute.State.choices)
    currency = serializers.CharField()
    price = ExactDecimalField(help_text="Of the call, at list price, when it was opened.")
    opened_by = serializers.CharField()
    opened_at = AwareDateTimeField()
    decided_at = AwareDateTimeField(allow_null=True)
    decision = serializers.CharField()
    amount = ExactDecimalField(help_text="Given back, before tax, at the workspace's prices.")
    credit_note_id = serializers.UUIDField(allow_null=True)
    manual_item_id = serializers.UUIDField(allow_null=True)


class CallDisputes(ApiView, ListAPIView):
    """A workspace's disputes of calls."""

    required_scopes = {"GET": "billing:read"}
    lists = True
    queryset = CallDispute.objects.none()  # for the schema
    serializer_class = DisputeSerializer
    ordering = ("-opened_at", "-id")

    @extend_schema(operation_id="call_disputes_list")
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.list(request, *args, **kwargs)

    def get_queryset(self) -> "QuerySet[CallDispute]":
        workspace = _workspace(self.request, self.kwargs["workspace_id"])
        return CallDispute.objects.filter(workspace=workspace)


class DisputeOfCall(ApiView):
    """Disputes a call: one open dispute a call, and the same one again is answered (200)."""

    required_scopes = {"POST": "billing:write"}
    serializer_class = DisputeSerializer

    @extend_schema(
        operation_id="call_disputes_open",
        request=NewDisputeSerializer,
        responses={200: DisputeSerializer, 201: DisputeSerializer},
    )
    def post(self, request: Request, workspace_id: UUID, call_id: UUID) -> Response:
        workspace = _workspace(request, workspace_id)
        asked = self.read(NewDisputeSerializer)
        dispute, created = open_dispute(
            workspace_id=workspace.pk,
            call_id=call_id,
            opened_by=caller_name(request),
            now=clock.now(),
            **asked,
        )
        return Response(DisputeSerializer(dispute).data, status=201 if created else 200)


class WithdrawDispute(ApiView):
    """Takes an open dispute back; again changes nothing."""

    required_scopes = {"POST": "billing:write"}
    serializer_class = DisputeSerializer

    @extend_schema(operation_id="call_disputes_withdraw", request=None, responses=DisputeSerializer)
    def post(self, request: Request, dispute_id: UUID) -> Response:
        dispute = visible_or_404(CallDispute.objects.all(), request, pk=dispute_id)
        withdrawn = withdraw_dispute(
            dispute_id=dispute.pk, by=caller_name(request), now=clock.now()
        )
        return Response(DisputeSerializer(withdrawn).data)


def _workspace(request: Request, workspace_id: UUID) -> Workspace:
    return visible_or_404(Workspace.objects.all(), request, workspace="pk", pk=workspace_id)
