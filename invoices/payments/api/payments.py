"""Payments that came outside of Stripe, and the customer's credit."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone as clock
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.access import caller_name, visible_or_404
from billing.api.fields import (
    AmountField,
    AwareDateTimeField,
    DayField,
    ExactDecimalField,
    IdField,
    PlainTextField,
)
from billing.api.serializers import StrictSerializer
from billing.api.views import ApiView
from billing.models import Workspace
from invoices.payments.models import CreditEntry, Payment
from invoices.payments.services.receiving import WAYS, PaymentShare, record_payment
from invoices.payments.services.settle.credit import credit_balance
from invoices.payments.services.taking_back import take_back_payment

_SCOPES = {"GET": "billing:read", "POST": "billing:write"}
_KEY_HELP = "Names the payment: the same one again is recorded once."


class ShareSerializer(StrictSerializer):
    invoice_id = IdField()
    amount = ExactDecimalField(
        integer_digits=17, decimals=3, required=False, help_text="Without, all that is open of it."
    )


class NewPaymentSerializer(StrictSerializer):
    idempotency_key = PlainTextField(max_length=128, help_text=_KEY_HELP)
    amount = ExactDecimalField(integer_digits=17, decimals=3)
    currency = PlainTextField(
        max_length=3, required=False, help_text="Without, the workspace's currency."
    )
    way = serializers.ChoiceField(choices=[(way.value, way.label) for way in WAYS])
    received_on = DayField(help_text="As on the bank statement.")
    reference = PlainTextField(max_length=140)
    reason = PlainTextField(max_length=500, required=False)
    invoices = ShareSerializer(
        many=True,
        required=False,
        help_text="What it pays; without, what is due first. The rest becomes credit.",
    )


class AllocationSerializer(serializers.Serializer):
    invoice_id = serializers.UUIDField()
    invoice_number = serializers.CharField(source="invoice.number")
    amount = AmountField("amount", currency="payment.currency")


class ReversalSerializer(serializers.Serializer):
    on = serializers.DateField()
    reason = serializers.CharField()
    taken_back_by = serializers.CharField()


class TakeBackSerializer(StrictSerializer):
    reason = PlainTextField(max_length=500, help_text="What was wrong; the customer may read it.")


class PaymentSerializer(serializers.Serializer):
    id = serializers.UUIDField()
    workspace_id = serializers.UUIDField()
    way = serializers.ChoiceField(choices=Payment.Way.choices)
    currency = serializers.CharField()
    amount = AmountField("amount")
    received_on = serializers.DateField()
    reference = serializers.CharField()
    invoices = AllocationSerializer(source="allocations", many=True)
    to_credit = AmountField("amount_to_credit")
    recorded_by = serializers.CharField()
    created_at = AwareDateTimeField()
    taken_back = serializers.SerializerMethodField()

    @extend_schema_field(ReversalSerializer(allow_null=True))
    def get_taken_back(self, payment: Payment) -> Any:
        reversal = getattr(payment, "reversal", None)
        return None if reversal is None else ReversalSerializer(reversal).data


class CreditEntrySerializer(serializers.Serializer):
    kind = serializers.ChoiceField(choices=CreditEntry.Kind.choices)
    amount = AmountField("amount")
    balance = AmountField("balance")
    on = serializers.DateField()
    payment_id = serializers.UUIDField(allow_null=True)
    invoice_id = serializers.UUIDField(allow_null=True)
    reference = serializers.CharField()
    reason = serializers.CharField()


class CreditSerializer(serializers.Serializer):
    currency = serializers.CharField()
    balance = serializers.CharField()
    entries = CreditEntrySerializer(many=True)


def _shown() -> "QuerySet[Payment]":
    return Payment.objects.select_related("reversal").prefetch_related("allocations__invoice")


class Payments(ApiView, ListAPIView):
    """What a workspace has paid, latest first; posting records a payment outside of Stripe."""

    required_scopes = _SCOPES
    lists = True
    queryset = Payment.objects.none()  # for the schema
    serializer_class = PaymentSerializer
    ordering = ("-received_on", "-created_at", "-id")

    @extend_schema(operation_id="payments_list")
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.list(request, *args, **kwargs)

    def get_queryset(self) -> "QuerySet[Payment]":
        return _shown().filter(workspace=_workspace(self.request, self.kwargs["workspace_id"]))

    @extend_schema(
        operation_id="payments_record",
        request=NewPaymentSerializer,
        responses={200: PaymentSerializer, 201: PaymentSerializer},
    )
    def post(self, request: Request, workspace_id: UUID) -> Response:
        workspace = _workspace(request, workspace_id)
        asked = self.read(NewPaymentSerializer)
        key = f"api:{asked.pop('idempotency_key')}"
        shares = asked.pop("invoices", None)
        known = Payment.objects.filter(workspace=workspace, key=key).exists()
        payment = record_payment(
            workspace_id=workspace.pk,
            shares=None if shares is None else [PaymentShare(**share) for share in shares],
            key=key,
            recorded_by=caller_name(request),
            now=clock.now(),
            **asked,
        )
        shown = _shown().get(pk=payment.pk)
        return Response(PaymentSerializer(shown).data, status=200 if known else 201)


class TakeBack(ApiView):
    """Takes back a payment by hand that was recorded wrongly: all of it, once.

    Its invoices are open again, and what was over of it is taken off the customer's credit.
    """

    required_scopes = {"POST": "billing:write"}
    serializer_class = TakeBackSerializer

    @extend_schema(operation_id="payments_take_back", responses=PaymentSerializer)
    def post(self, request: Request, payment_id: UUID) -> Response:
        payment = visible_or_404(Payment.objects.all(), request, pk=payment_id)
        take_back_payment(
            payment_id=payment.pk,
            taken_back_by=caller_name(request),
            now=clock.now(),
            **self.read(TakeBackSerializer),
        )
        return Response(PaymentSerializer(_shown().get(pk=payment.pk)).data)


class Credit(ApiView):
    """What a workspace has to its credit, and how it came to that, latest first."""

    required_scopes = {"GET": "billing:read"}
    serializer_class = CreditSerializer

    @extend_schema(operation_id="credit_retrieve", responses=CreditSerializer)
    def get(self, request: Request, workspace_id: UUID) -> Response:
        workspace = _workspace(request, workspace_id)
        entries = CreditEntry.objects.filter(workspace=workspace, currency=workspace.currency)
        balance = credit_balance(workspace.pk, workspace.currency)
        return Response(
            {
                "currency": workspace.currency,
                "balance": f"{balance:f}",
                "entries": CreditEntrySerializer(
                    entries.order_by("-position")[:1000], many=True
                ).data,
            }
        )


def _workspace(request: Request, workspace_id: UUID) -> Workspace:
    return visible_or_404(Workspace.objects.all(), request, workspace="pk", pk=workspace_id)
