"""Exactness certificates: that an invoice is its records' exact sum, step by step."""

from uuid import UUID

from django.http import HttpResponse
from django.utils import timezone as clock
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.access import visible_or_404
from billing.api.views import ApiView
from invoices.models import Invoice
from invoices.payments.services import proof
from invoices.pdf import pdf_response

_SCOPES = {"GET": "billing:read"}


class FigureSerializer(serializers.Serializer):
    name = serializers.CharField()
    value = serializers.CharField()


class CertifiedStepSerializer(serializers.Serializer):
    name = serializers.CharField(help_text="As `check_ledger --step` calls it.")
    title = serializers.CharField()
    proves = serializers.CharField()
    passed = serializers.BooleanField()
    figures = FigureSerializer(many=True)
    residual = serializers.CharField(help_text="By how much its sum differs from what it should.")


class SealSerializer(serializers.Serializer):
    sequence = serializers.IntegerField()
    records = serializers.IntegerField()
    records_digest = serializers.CharField()
    previous_digest = serializers.CharField(help_text="Empty for a workspace's first seal.")
    digest = serializers.CharField()
    sealed_at = serializers.DateTimeField()
    key_id = serializers.CharField()
    mac = serializers.CharField()


class CertificateSerializer(serializers.Serializer):
    """`digest` is the SHA-256 of all else but `key_id` and `mac`, as JSON with sorted keys and no
    spaces; `mac` is keyed with the platform's key."""

    form = serializers.CharField()
    verdict = serializers.ChoiceField(choices=["proven", "not_sealed_yet", "differs"])
    made_at = serializers.DateTimeField()
    workspace_id = serializers.UUIDField()
    bill_to = serializers.CharField()
    invoice_id = serializers.UUIDField()
    invoice_number = serializers.CharField()
    currency = serializers.CharField()
    amount = serializers.CharField()
    exact_amount = serializers.CharField()
    rounding = serializers.CharField()
    billing_period_id = serializers.UUIDField()
    period_start = serializers.DateTimeField()
    period_end = serializers.DateTimeField(help_text="Exclusive.")
    steps = CertifiedStepSerializer(many=True)
    seal = SealSerializer(allow_null=True)
    digest = serializers.CharField()
    key_id = serializers.CharField()
    mac = serializers.CharField()


class CertificateView(ApiView):
    """Proves the invoice's month anew, from its records to its payments, and certifies it.

    It reads all records of the month: some seconds for a million.
    """

    required_scopes = _SCOPES
    serializer_class = CertificateSerializer

    @extend_schema(operation_id="invoices_certificate", responses=CertificateSerializer)
    def get(self, request: Request, invoice_id: UUID) -> Response:
        return Response(_certified(request, invoice_id).as_json())


class CertificatePdf(ApiView):
    """The certificate as PDF."""

    required_scopes = _SCOPES

    @extend_schema(
        operation_id="invoices_certificate_pdf",
        responses={(200, "application/pdf"): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, invoice_id: UUID) -> HttpResponse:
        made = _certified(request, invoice_id)
        name = proof.certificate_filename(made)
        return pdf_response(proof.render_certificate(made), name, inline=True)


def _certified(request: Request, invoice_id: UUID) -> proof.Certificate:
    invoice = visible_or_404(
        Invoice.objects.select_related("workspace", "billing_period__workspace"),
        request,
        pk=invoice_id,
    )
    return proof.certify(invoice, now=clock.now())
