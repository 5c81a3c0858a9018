"""Charges, credits and discounts by hand, and one-off invoices, over the API."""

from typing import Any
from uuid import UUID

import django_filters
from django.db.models import QuerySet
from django.utils import timezone as clock
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.access import caller_name, visible_or_404
from billing.api.fields import (
    AwareDateTimeField,
    DayField,
    ExactDecimalField,
    IdField,
    PlainTextField,
)
from billing.api.serializers import StrictSerializer
from billing.api.views import ApiView
from billing.errors import Invalid, NotFound
from billing.models import ManualItem, Workspace
from billing.money import ZERO
from billing.rating.taxes import STANDARD
from invoices.api.invoices import shown_invoices
from invoices.api.serializers import InvoiceSerializer
from invoices.services import manual_items
from invoices.services.manual_lines import MAX_LINES, ManualLine

_SCOPES: dict[str, str | tuple[str, ...]] = {"GET": "billing:read", "POST": "billing:write"}
_KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="Makes a retry safe: the same key with the same body is the same request.",
)
_REASON = "Why; for colleagues and auditors."


class ManualLineSerializer(StrictSerializer):
    kind = serializers.ChoiceField(choices=ManualItem.Kind.choices)
    description = PlainTextField(max_length=200, help_text="As the invoice says it.")
    net = ExactDecimalField(
        integer_digits=11,
        decimals=3,
        shown=2,
        minimum=ZERO,
        help_text="More than zero, in steps of what can be charged; credits and discounts are taken"
        " off. Before tax, unless the workspace's prices include it.",
    )
    tax_class = PlainTextField(
        max_length=32, required=False, default=STANDARD, help_text="As standard, reduced, exempt."
    )


class NewManualItemSerializer(ManualLineSerializer):
    reason = PlainTextField(max_length=500, help_text=_REASON)
    month = DayField(
        required=False,
        allow_null=True,
        default=None,
        help_text="The first day of the month it is billed with. Default: the next that closes.",
    )


class NewOneOffSerializer(StrictSerializer):
    items = ManualLineSerializer(
        many=True,
        min_length=1,  # type: ignore[call-arg] # of the list
        max_length=MAX_LINES,
    )
    reason = PlainTextField(max_length=500, help_text=_REASON)
    corrects_id = IdField(
        required=False,
        help_text="The invoice on which this was missing; the new one is its correction.",
    )


class ReasonSerializer(StrictSerializer):
    reason = PlainTextField(max_length=500)


class ManualItemSerializer(serializers.Serializer):
    id = serializers.UUIDField()
    workspace_id = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=ManualItem.Kind.choices)
    description = serializers.CharField()
    net = ExactDecimalField(decimals=3, shown=2)
    tax_class = serializers.CharField()
    month = serializers.DateField(allow_null=True)
    reason = serializers.CharField()
    status = serializers.ChoiceField(
        choices=ManualItem.Status.choices,
        help_text="`waiting` for a second person; `approved`: the next close bills it.",
    )
    billing_period_id = serializers.UUIDField(
        source="period_id", allow_null=True, help_text="The period it was billed with."
    )
    one_off_invoice_id = serializers.UUIDField(
        allow_null=True, help_text="The invoice of its own that it is billed on, once approved."
    )
    asked_by = serializers.CharField()
    approved_by = serializers.CharField(allow_blank=True)
    approved_at = AwareDateTimeField(allow_null=True)
    billed_at = AwareDateTimeField(allow_null=True)
    cancelled_by = serializers.CharField(allow_blank=True)
    cancelled_at = AwareDateTimeField(allow_null=True)
    cancel_reason = serializers.CharField(allow_blank=True)
    created_at = AwareDateTimeField()


class OneOffSerializer(serializers.Serializer):
    """`invoice` is null while its items wait for a second person."""

    invoice = InvoiceSerializer(allow_null=True)
    items = ManualItemSerializer(many=True)


class ManualItemFilter(django_filters.FilterSet):
    status = django_filters.ChoiceFilter(choices=ManualItem.Status.choices)
    kind = django_filters.ChoiceFilter(choices=ManualItem.Kind.choices)


class ManualItemView(ApiView):
    required_scopes = _SCOPES

    def workspace(self) -> Workspace:
        return visible_or_404(
            Workspace.objects.all(), self.request, workspace="pk", pk=self.kwargs["workspace_id"]
        )

    def item(self) -> ManualItem:
        row = self.workspace().manual_items.filter(pk=self.kwargs["line_id"]).first()
        if row is None:
            raise NotFound("There is no such item.")
        return row


class ManualItemList(ManualItemView, ListAPIView):
    """Charges, credits and discounts that were added to a workspace's bills by hand."""

    lists = True
    queryset = ManualItem.objects.none()  # for the schema
    serializer_class = ManualItemSerializer
    filterset_class = ManualItemFilter
    ordering = ("-created_at", "-id")

    def get_queryset(self) -> "QuerySet[ManualItem]":
        return ManualItem.objects.filter(workspace=self.workspace())

    @extend_schema(
        request=NewManualItemSerializer,
        parameters=[_KEY],
        responses={200: ManualItemSerializer, 201: ManualItemSerializer},
        examples=[
            OpenApiExample(
                "20.00 back",
                value={
                    "kind": "credit",
                    "description": "Goodwill for the outage of 12 November",
                    "net": "20.00",
                    "reason": "Ticket 4711",
                },
                request_only=True,
            )
        ],
    )
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Adds one to the bill of a month. A large one waits until a second person approves it."""
        workspace = self.workspace()
        facts: dict[str, Any] = self.read(NewManualItemSerializer)
        item, is_new = manual_items.add_manual_item(
            workspace_id=workspace.pk,
            line=_line(facts),
            reason=facts["reason"],
            month=facts["month"],
            asked_by=caller_name(request),
            idempotency_key=_idempotency_key(request),
            now=clock.now(),
        )
        return Response(ManualItemSerializer(item).data, status=201 if is_new else 200)


class ManualItemDetail(ManualItemView):
    """One of them."""

    serializer_class = ManualItemSerializer

    def get(self, request: Request, workspace_id: UUID, line_id: UUID) -> Response:
        return Response(ManualItemSerializer(self.item()).data)


class ManualItemApprove(ManualItemView):
    """Lets an item be billed; all of a one-off invoice together, which is then issued."""

    serializer_class = ManualItemSerializer
    body_optional = True

    @extend_schema(request=None, responses=ManualItemSerializer)
    def post(self, request: Request, workspace_id: UUID, line_id: UUID) -> Response:
        item = manual_items.approve(
            item_id=self.item().pk, by=caller_name(request), now=clock.now()
        )
        return Response(ManualItemSerializer(item).data)


class ManualItemCancel(ManualItemView):
    """Takes an item back before it is billed; all of a one-off invoice together."""

    serializer_class = ReasonSerializer

    @extend_schema(responses=ManualItemSerializer)
    def post(self, request: Request, workspace_id: UUID, line_id: UUID) -> Response:
        item = self.item()
        reason: str = self.read(ReasonSerializer)["reason"]
        item = manual_items.cancel(
            item_id=item.pk, reason=reason, by=caller_name(request), now=clock.now()
        )
        return Response(ManualItemSerializer(item).data)


class OneOffList(ManualItemView):
    """Invoices between two closes: a set-up fee, a top-up, or what was missing on another."""

    required_scopes = {"POST": "billing:write"}
    serializer_class = NewOneOffSerializer

    @extend_schema(
        parameters=[_KEY],
        responses={200: OneOffSerializer, 201: OneOffSerializer},
        examples=[
            OpenApiExample(
                "A set-up fee",
                value={
                    "items": [{"kind": "charge", "description": "Set-up fee", "net": "250.00"}],
                    "reason": "Contract of 20 November",
                },
                request_only=True,
            )
        ],
    )
    def post(self, request: Request, workspace_id: UUID) -> Response:
        """Issues one at once; with a large line it waits until a second person approves it."""
        workspace = self.workspace()
        facts: dict[str, Any] = self.read(NewOneOffSerializer)
        made = manual_items.request_one_off(
            workspace_id=workspace.pk,
            lines=[_line(line) for line in facts["items"]],
            reason=facts["reason"],
            asked_by=caller_name(request),
            idempotency_key=_idempotency_key(request),
            corrects=facts.get("corrects_id"),
            now=clock.now(),
        )
        invoice = shown_invoices().get(pk=made.invoice.pk) if made.invoice else None
        answer = {"invoice": invoice, "items": made.items}
        return Response(OneOffSerializer(answer).data, status=201 if made.is_new else 200)


def _line(facts: dict[str, Any]) -> ManualLine:
    return ManualLine(facts["kind"], facts["description"], facts["net"], facts["tax_class"])


def _idempotency_key(request: Request) -> str:
    key = request.headers.get("Idempotency-Key", "").strip()
    if len(key) > 128 or not key.isprintable():
        raise Invalid(
            "Idempotency-Key: 1 to 128 printable characters are expected.",
            code="invalid_idempotency_key",
        )
    return key
