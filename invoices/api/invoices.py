"""Invoices: listed, looked at, as PDF, and proved line by line."""

from typing import Any
from uuid import UUID

import django_filters
from django.db.models import QuerySet
from django.http import HttpResponse, StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.access import visible, visible_or_404
from billing.api.fields import currency_text, decimal_text
from billing.api.filters import AwareTimeFilter, IdFilter
from billing.api.pagination import CursorPagination
from billing.api.problems import InvalidParameters
from billing.api.views import ApiView
from billing.errors import Invalid
from billing.models import Workspace
from invoices.api.serializers import InvoiceSerializer, ItemSerializer, ProofSerializer
from invoices.models import Invoice, InvoiceItem
from invoices.pdf import invoice_filename, pdf_response, render_invoice
from invoices.queries import proof_of, records_behind
from invoices.services.year_archive import asked_year, year_archive
from usage.api.serializers import UsageRecordSerializer
from usage.models import UsageRecord

_SCOPES = {"GET": "billing:read"}


def shown_invoices() -> "QuerySet[Invoice]":
    return Invoice.objects.select_related("replaced_by", "tax_decision").prefetch_related(
        "items", "taxes"
    )


class InvoiceFilter(django_filters.FilterSet):
    workspace_id = IdFilter()
    billing_period_id = IdFilter()
    status = django_filters.ChoiceFilter(choices=Invoice.Status.choices)
    invoice_number = django_filters.CharFilter(field_name="number", max_length=40)
    issued_after = AwareTimeFilter(
        field_name="issued_at", lookup_expr="gte", help_text="Inclusive."
    )
    issued_before = AwareTimeFilter(
        field_name="issued_at", lookup_expr="lt", help_text="Exclusive."
    )


class InvoiceList(ApiView, ListAPIView):
    """Invoices with their items, latest first."""

    required_scopes = _SCOPES
    lists = True
    queryset = shown_invoices()
    serializer_class = InvoiceSerializer
    filterset_class = InvoiceFilter
    ordering = ("-issued_at", "-id")

    def get_queryset(self) -> "QuerySet[Invoice]":
        return visible(super().get_queryset(), self.request)


class InvoiceDetail(ApiView):
    """One invoice. Item amounts are whole minor units and add up to its amount."""

    required_scopes = _SCOPES
    serializer_class = InvoiceSerializer

    def get(self, request: Request, invoice_id: UUID) -> Response:
        invoice = visible_or_404(shown_invoices(), request, pk=invoice_id)
        return Response(InvoiceSerializer(invoice).data)


class InvoicePdf(ApiView):
    """The invoice as PDF."""

    required_scopes = _SCOPES

    @extend_schema(
        operation_id="invoices_pdf", responses={(200, "application/pdf"): OpenApiTypes.BINARY}
    )
    def get(self, request: Request, invoice_id: UUID) -> HttpResponse:
        invoice = visible_or_404(
            Invoice.objects.select_related("workspace", "billing_period"), request, pk=invoice_id
        )
        return pdf_response(render_invoice(invoice), invoice_filename(invoice), inline=True)


class YearZip(ApiView):
    """All documents of a year in one zip: invoices and credit notes as PDF, with their e-invoices.

    It is made while it is sent. A year without documents is 404.
    """

    required_scopes = _SCOPES
    parameters = frozenset({"year"})

    @extend_schema(
        operation_id="invoices_of_year",
        parameters=[
            OpenApiParameter(
                "year",
                OpenApiTypes.INT,
                description="Of the days of issue, on the workspace's calendar. Default: the latest"
                " one with documents.",
            )
        ],
        responses={(200, "application/zip"): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, workspace_id: UUID) -> StreamingHttpResponse:
        workspace = visible_or_404(
            Workspace.objects.all(), request, workspace="pk", pk=workspace_id
        )
        try:
            year = asked_year(request.query_params.get("year", ""), workspace)
        except Invalid as error:
            raise InvalidParameters({"year": error.detail}) from None
        return year_archive(workspace, year)


class ItemRecords(ApiView, ListAPIView):
    """The usage records behind one line, newest first, and that they come to it exactly.

    The exact amount is the sum of their list prices, the line's one adjustment, which the item's
    `meters` explain, and what credit notes gave back of the reversals among them.
    Lines of a subscription or a credit have none; their exact amount is their own.
    """

    required_scopes = _SCOPES
    lists = True
    queryset = UsageRecord.objects.none()  # for the schema
    serializer_class = UsageRecordSerializer
    ordering = ("-occurred_at", "-id")

    @extend_schema(
        operation_id="invoices_items_records",
        parameters=[
            OpenApiParameter(each["name"], each["schema"], description=each["description"])
            for each in CursorPagination().get_schema_operation_parameters(None)
        ],
        responses=ProofSerializer,
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.list(request, *args, **kwargs)

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        item = visible_or_404(
            InvoiceItem.objects.select_related("invoice__billing_period", "invoice__workspace"),
            request,
            workspace="invoice__workspace_id",
            pk=kwargs["item_id"],
            invoice=kwargs["invoice_id"],
        )
        records: QuerySet[UsageRecord] = self.filter_queryset(records_behind(item))
        page = self.paginate_queryset(records)
        response = self.get_paginated_response(UsageRecordSerializer(page, many=True).data)
        response.data = {**(response.data or {}), **_proof(item)}
        return response


def _proof(item: InvoiceItem) -> dict[str, Any]:
    proof = proof_of(item)
    of_usage = item.kind in (InvoiceItem.Kind.USAGE, InvoiceItem.Kind.LATE_USAGE)
    exact = proof.exact if of_usage else item.exact_amount
    return {
        "item": ItemSerializer(item).data,
        "record_count": proof.records,
        "list_amount": decimal_text(proof.listed, 10),
        "adjustment": decimal_text(item.adjustment, 10),
        "credited": decimal_text(proof.credited, 10),
        "exact_amount": decimal_text(exact, 10),
        "amount": currency_text(item.amount, item.invoice.currency),
        "residual": decimal_text(item.amount - exact, 10),
    }
