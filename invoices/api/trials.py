"""The trial close: what open months that have ended would bill, and its approval."""

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone as clock
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.access import caller_name
from billing.api.fields import (
    AmountField,
    AwareDateTimeField,
    IdField,
    PlainTextField,
)
from billing.api.platform_views import PlatformView
from billing.api.serializers import StrictSerializer
from billing.models import BillingPeriod
from invoices.models import TrialInvoice
from invoices.services import trial_close

_MAX_TRIALS = 1000


class TrialSerializer(serializers.Serializer):
    billing_period_id = serializers.UUIDField(source="period_id")
    workspace_id = serializers.UUIDField(source="period.workspace_id")
    kind = serializers.ChoiceField(
        choices=TrialInvoice.Kind.choices, help_text="Beside the invoice of the month before."
    )
    currency = serializers.CharField()
    amount = AmountField("amount", help_text="Zero where nothing would be billed.")
    previous_amount = AmountField("previous_amount", allow_null=True)
    digest = serializers.CharField(help_text="Of all that it would bill; named to approve it.")
    snapshot = serializers.JSONField(help_text="What was hashed.")
    tax_status = serializers.ChoiceField(
        choices=TrialInvoice.TaxStatus.choices,
        help_text="Of a US sales tax, which is asked for: whether `amount` has it, as it will be.",
    )
    changes = serializers.ListField(
        child=serializers.CharField(), help_text="Since it was approved before."
    )
    made_at = AwareDateTimeField()
    approved_by = serializers.CharField()
    approved_at = AwareDateTimeField(allow_null=True)


class SeenSerializer(StrictSerializer):
    billing_period_id = IdField()
    digest = PlainTextField(max_length=64)


class ApprovalSerializer(StrictSerializer):
    trials = SeenSerializer(many=True, max_length=_MAX_TRIALS)  # type: ignore[call-arg]


class ApprovedSerializer(serializers.Serializer):
    approved = serializers.ListField(child=serializers.UUIDField())
    left = serializers.ListField(
        child=serializers.UUIDField(),
        help_text="Approved before, closed, or tried again since: read them anew.",
    )


class TrialList(PlatformView, ListAPIView):
    """Trials of months that are not closed yet, made each hour before the close."""

    required_scopes = {"GET": "billing:read"}
    lists = True
    queryset = TrialInvoice.objects.none()  # for the schema
    serializer_class = TrialSerializer
    ordering = ("-made_at", "-id")

    @extend_schema(operation_id="trial_invoices_list")
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.list(request, *args, **kwargs)

    def get_queryset(self) -> "QuerySet[TrialInvoice]":
        trials: QuerySet[TrialInvoice] = self.all_of(TrialInvoice)
        return trials.filter(period__status=BillingPeriod.Status.CURRENT).select_related("period")


class TrialApprove(PlatformView):
    """Approves trials as they were read, by their digests; what changed since is left."""

    required_scopes = {"POST": "billing:write"}
    serializer_class = ApprovalSerializer

    @extend_schema(operation_id="trial_invoices_approve", responses=ApprovedSerializer)
    def post(self, request: Request) -> Response:
        self.refuse_bound_keys()
        asked = self.read(ApprovalSerializer)["trials"]
        seen = {each["billing_period_id"]: each["digest"] for each in asked}
        periods = trial_close.approve(seen=seen, by=caller_name(request)[:150], now=clock.now())
        approved = {period.pk for period in periods}
        left = [pk for pk in seen if pk not in approved]
        return Response(ApprovedSerializer({"approved": approved, "left": left}).data)
