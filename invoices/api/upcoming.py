"""The next invoice of a workspace, as it would be now."""

from uuid import UUID

from django.http import HttpResponse
from django.utils import timezone as clock
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.access import visible_or_404
from billing.api.fields import AmountField, AwareDateTimeField, ExactDecimalField, exact_uuid
from billing.api.problems import InvalidParameters
from billing.api.views import ApiView
from billing.decimals import NotExact
from billing.models import Workspace
from invoices.api.serializers import InvoiceTaxSerializer, ItemSerializer
from invoices.models import TrialInvoice
from invoices.pdf import pdf_response, render_preview
from invoices.services.preview import Preview, upcoming_invoice


class UpcomingItemSerializer(ItemSerializer):
    """As an invoice's item, which has no id yet."""

    def get_fields(self) -> dict[str, serializers.Field]:
        fields = super().get_fields()
        del fields["id"]
        return fields


class UpcomingInvoiceSerializer(serializers.Serializer):
    """As an invoice, without what only an issued one has."""

    workspace_id = serializers.UUIDField(source="invoice.workspace_id")
    kind = serializers.CharField(source="invoice.kind")
    billing_period_id = serializers.SerializerMethodField(
        help_text="null where the month is not open yet: nothing has been used in it."
    )
    period_start = AwareDateTimeField(source="period.period_start")
    period_end = AwareDateTimeField(source="period.period_end", help_text="Exclusive.")
    status = serializers.SerializerMethodField()
    as_of = AwareDateTimeField()
    is_billed = serializers.BooleanField(
        help_text="false: there would be no invoice, since nothing is to be paid."
    )
    currency = serializers.CharField(source="invoice.currency")
    net = AmountField("invoice.net", currency="invoice.currency")
    tax = AmountField("invoice.tax", currency="invoice.currency")
    amount = AmountField("invoice.amount", currency="invoice.currency")
    exact_amount = ExactDecimalField(
        source="invoice.exact_amount",
        help_text="`total_amount` that the period would have; below zero it is owed back.",
    )
    collection_method = serializers.CharField(source="invoice.collection_method")
    due_date = serializers.DateField(source="invoice.due_date", help_text="If it closed now.")
    items = UpcomingItemSerializer(many=True)
    taxes = InvoiceTaxSerializer(many=True, help_text="Empty where the issuer charges no tax.")
    tax_status = serializers.ChoiceField(
        choices=TrialInvoice.TaxStatus.choices,
        help_text="Of a US sales tax, whose amount is asked for when the month has ended:"
        " `estimated` is by the rates of an earlier invoice; `unknown` is left out.",
    )

    def get_billing_period_id(self, preview: Preview) -> UUID | None:
        return None if preview.period._state.adding else preview.period.pk

    def get_status(self, preview: Preview) -> str:
        return "preview"


class UpcomingView(ApiView):
    """Of the month that closes next, or with `billing_period_id` of another one that is open."""

    required_scopes = {"GET": "billing:read"}
    parameters = frozenset({"billing_period_id"})

    def preview(self, request: Request, workspace_id: UUID) -> Preview:
        workspace = visible_or_404(
            Workspace.objects.all(), request, workspace="pk", pk=workspace_id
        )
        return upcoming_invoice(
            workspace_id=workspace.pk, now=clock.now(), period_id=_period_id(request)
        )


def _period_id(request: Request) -> UUID | None:
    text = request.query_params.get("billing_period_id")
    if not text:
        return None
    try:
        return exact_uuid(text)
    except NotExact:
        raise InvalidParameters({"billing_period_id": "A UUID is expected."}) from None


_PARAMETERS = [
    OpenApiParameter(
        "billing_period_id", OpenApiTypes.UUID, description="Default: the one that closes next."
    )
]


class UpcomingInvoice(UpcomingView):
    """The next invoice as it would be if its month closed now, made as the close makes it."""

    serializer_class = UpcomingInvoiceSerializer

    @extend_schema(operation_id="workspaces_upcoming_invoice", parameters=_PARAMETERS)
    def get(self, request: Request, workspace_id: UUID) -> Response:
        return Response(UpcomingInvoiceSerializer(self.preview(request, workspace_id)).data)


class UpcomingPdf(UpcomingView):
    """The same as PDF, with "Preview" across it."""

    @extend_schema(
        operation_id="workspaces_upcoming_invoice_pdf",
        parameters=_PARAMETERS,
        responses={(200, "application/pdf"): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, workspace_id: UUID) -> HttpResponse:
        preview = self.preview(request, workspace_id)
        return pdf_response(
            render_preview(
                preview.invoice, preview.items, preview.taxes, tax_status=preview.tax_status
            ),
            "preview.pdf",
            inline=True,
        )
