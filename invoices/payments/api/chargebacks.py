"""Chargebacks: what banks took back, and what becomes of one that is lost."""

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
from billing.api.fields import AmountField, AwareDateTimeField, PlainTextField
from billing.api.serializers import StrictSerializer
from billing.api.views import ApiView
from billing.models import Workspace
from invoices.payments.models import Chargeback
from invoices.payments.services.chargebacks import decide_chargeback


class DecideChargebackSerializer(StrictSerializer):
    decision = serializers.ChoiceField(
        choices=Chargeback.Decision.choices,
        help_text="`ask_again`: the invoice is open by what the bank took; `write_off`: it stays"
        " paid.",
    )
    reason = PlainTextField(max_length=500, help_text="Why; the customer may read it.")


class AwaitedDecisionSerializer(serializers.Serializer):
    decision = serializers.ChoiceField(choices=Chargeback.Decision.choices)
    reason = serializers.CharField()
    asked_by = serializers.CharField()
    asked_at = AwareDateTimeField()


class ChargebackSerializer(serializers.Serializer):
    id = serializers.UUIDField()
    workspace_id = serializers.UUIDField()
    invoice_id = serializers.UUIDField()
    stripe_id = serializers.CharField()
    currency = serializers.CharField()
    amount = AmountField("amount")
    reason = serializers.CharField(help_text="The bank's, in Stripe's words.")
    status = serializers.CharField(help_text="Stripe's: `needs_response`, `won`, `lost`, ...")
    due_by = AwareDateTimeField(allow_null=True, help_text="The last moment for evidence.")
    opened_at = AwareDateTimeField()
    closed_at = AwareDateTimeField(allow_null=True)
    decision = serializers.CharField(
        help_text="Of a lost one: `ask_again` or `write_off`; empty until somebody decides."
    )
    decision_reason = serializers.CharField()
    decided_at = AwareDateTimeField(allow_null=True)
    asked_again = AmountField("asked_again")
    awaited = AwaitedDecisionSerializer(
        allow_null=True,
        default=None,
        help_text="A decision over more than `SECOND_PERSON_ABOVE`, until somebody else agrees.",
    )


def _shown() -> "QuerySet[Chargeback]":
    return Chargeback.objects.select_related("awaited")


class Chargebacks(ApiView, ListAPIView):
    """A workspace's chargebacks."""

    required_scopes = {"GET": "billing:read"}
    lists = True
    queryset = Chargeback.objects.none()  # for the schema
    serializer_class = ChargebackSerializer
    ordering = ("-opened_at", "-id")

    @extend_schema(operation_id="chargebacks_list")
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.list(request, *args, **kwargs)

    def get_queryset(self) -> "QuerySet[Chargeback]":
        workspace = visible_or_404(
            Workspace.objects.all(),
            self.request,
            workspace="pk",
            pk=self.kwargs["workspace_id"],
        )
        return _shown().filter(workspace=workspace)


class DecideChargeback(ApiView):
    """Decides on a chargeback that is lost; the same decision again changes nothing.

    Over `SECOND_PERSON_ABOVE` the first decision is `awaited`, until a second person confirms it
    in the admin, or another key decides the same.
    """

    required_scopes = {"POST": "billing:write"}
    serializer_class = DecideChargebackSerializer

    @extend_schema(operation_id="chargebacks_decide", responses=ChargebackSerializer)
    def post(self, request: Request, chargeback_id: UUID) -> Response:
        chargeback = visible_or_404(Chargeback.objects.all(), request, pk=chargeback_id)
        asked = self.read(DecideChargebackSerializer)
        decide_chargeback(
            chargeback_id=chargeback.pk, by=caller_name(request), now=clock.now(), **asked
        )
        return Response(ChargebackSerializer(_shown().get(pk=chargeback.pk)).data)
