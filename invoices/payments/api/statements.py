"""A customer's statement: as JSON, CSV and PDF, for days of the caller's choice."""

from uuid import UUID

from django.http import HttpResponse, StreamingHttpResponse
from django.utils import timezone as clock
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.access import visible_or_404
from billing.api.fields import AmountField, currency_text
from billing.api.problems import InvalidParameters
from billing.api.views import ApiView
from billing.errors import Invalid
from billing.models import Workspace
from invoices.payments.services.statements import Statement, asked_days, statement
from invoices.payments.statement_pages import csv_of, pdf_of

_DAYS = [
    OpenApiParameter("first", OpenApiTypes.DATE, description="Default: a year before `last`."),
    OpenApiParameter("last", OpenApiTypes.DATE, description="Included. Default: today."),
]


class StatementLineSerializer(serializers.Serializer):
    day = serializers.DateField()
    text = serializers.CharField()
    reference = serializers.CharField()
    amount = serializers.CharField(help_text="Raises the balance; below zero it lowers it.")
    balance = serializers.CharField(help_text="After it.")


class StatementSerializer(serializers.Serializer):
    """A balance above zero is owed by the customer, below zero it is to their credit."""

    workspace_id = serializers.UUIDField(source="workspace.pk")
    currency = serializers.CharField()
    first = serializers.DateField()
    last = serializers.DateField()
    opening = AmountField("opening")
    lines = serializers.SerializerMethodField()
    closing = AmountField("closing")
    charged_back = AmountField(
        "charged_back", help_text="Of `closing`, what banks hold in chargebacks that are undecided."
    )

    @extend_schema_field(StatementLineSerializer(many=True))
    def get_lines(self, made: Statement) -> list[dict[str, str]]:
        return [
            {
                "day": line.day.isoformat(),
                "text": line.text,
                "reference": line.reference,
                "amount": currency_text(line.amount, made.currency),
                "balance": currency_text(line.balance, made.currency),
            }
            for line in made.lines
        ]


class StatementView(ApiView):
    """What moved a customer's balance: invoices, payments, credit notes and refunds."""

    required_scopes = {"GET": "billing:read"}
    parameters = frozenset({"first", "last"})
    serializer_class = StatementSerializer

    @extend_schema(operation_id="statement_retrieve", parameters=_DAYS)
    def get(self, request: Request, workspace_id: UUID) -> Response:
        return Response(StatementSerializer(_asked(request, workspace_id)).data)


class StatementCsv(ApiView):
    """The same as CSV."""

    required_scopes = {"GET": "billing:read"}
    parameters = frozenset({"first", "last"})

    @extend_schema(
        operation_id="statement_csv",
        parameters=_DAYS,
        responses={(200, "text/csv"): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, workspace_id: UUID) -> StreamingHttpResponse:
        return csv_of(_asked(request, workspace_id))


class StatementPdf(ApiView):
    """The same as PDF."""

    required_scopes = {"GET": "billing:read"}
    parameters = frozenset({"first", "last"})

    @extend_schema(
        operation_id="statement_pdf",
        parameters=_DAYS,
        responses={(200, "application/pdf"): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, workspace_id: UUID) -> HttpResponse:
        return pdf_of(_asked(request, workspace_id), inline=True)


def _asked(request: Request, workspace_id: UUID) -> Statement:
    workspace = visible_or_404(Workspace.objects.all(), request, workspace="pk", pk=workspace_id)
    typed = (request.query_params.get("first", ""), request.query_params.get("last", ""))
    today = clock.now().astimezone(workspace.zone).date()
    try:
        first, last = asked_days(*typed, today=today)
    except Invalid as error:
        raise InvalidParameters({str(error.field): error.detail}) from None
    return statement(workspace, first=first, last=last)
