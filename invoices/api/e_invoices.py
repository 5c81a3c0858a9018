"""E-invoices of invoices, and what those of other documents are answered with."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request

from billing.api.access import visible_or_404
from billing.api.views import ApiView
from billing.models import Workspace
from invoices.einvoices.writing import Format
from invoices.models import Invoice
from invoices.pdf import xml_response
from invoices.services.e_invoices import chosen_format, invoice_xml

SCHEMA: dict[str, Any] = {
    "parameters": [
        OpenApiParameter(
            "format",
            enum=["facturx", "xrechnung", "peppol"],
            description="Default: the one that the workspace gets.",
        )
    ],
    "responses": {(200, "application/xml"): OpenApiTypes.BINARY},
}


class EInvoiceView(ApiView):
    """A document for software; `format` is its own here, not the answer's."""

    required_scopes = {"GET": "billing:read"}
    parameters = frozenset({"format"})

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        renderer = self.get_renderers()[0]
        return renderer, renderer.media_type

    def wanted(self, workspace: Workspace) -> Format:
        return chosen_format(workspace, self.request.query_params.get("format", ""))


class InvoiceEInvoice(EInvoiceView):
    """The invoice for software, as XML: XRechnung, Peppol BIS, or the CII that is inside of a
    Factur-X. 409 `e_invoice_invalid` names the rule that it breaks."""

    @extend_schema(operation_id="invoices_e_invoice", **SCHEMA)
    def get(self, request: Request, invoice_id: UUID) -> HttpResponse:
        invoice = visible_or_404(
            Invoice.objects.select_related("workspace", "billing_period"), request, pk=invoice_id
        )
        wanted = self.wanted(invoice.workspace)
        return xml_response(invoice_xml(invoice, wanted), f"{invoice.number}-{wanted}.xml")
