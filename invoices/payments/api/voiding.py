"""Voiding an invoice, and what becomes of the usage that it billed."""

from typing import Any
from uuid import UUID

from django.utils import timezone as clock
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.access import caller_name, visible_or_404
from billing.api.fields import FlagField, PlainTextField
from billing.api.serializers import StrictSerializer
from billing.api.views import ApiView
from invoices.api.invoices import shown_invoices
from invoices.api.serializers import InvoiceSerializer
from invoices.models import Invoice
from invoices.payments.models import InvoiceAction
from invoices.payments.services import collection
from invoices.services.reissuing import leave_unbilled, reissue_invoice


class InvoiceVoidSerializer(StrictSerializer):
    reason = PlainTextField(max_length=500, help_text="Why; the customer may read it.")
    reissue = FlagField(
        help_text="true: bill the same usage on a new invoice; false: leave it unbilled."
    )


class VoidedInvoiceSerializer(serializers.Serializer):
    """The invoice, and whether Stripe has still to answer: it is void once it has."""

    invoice = InvoiceSerializer()
    pending = serializers.BooleanField()


class VoidInvoice(ApiView):
    """Cancels an invoice for good; nothing is owed for it, and its number stays used.

    Voiding a void invoice changes nothing, except that one voided in Stripe, of which nobody has
    said what becomes of its usage, takes this answer.
    """

    required_scopes = {"POST": "billing:write"}
    serializer_class = InvoiceVoidSerializer

    @extend_schema(operation_id="invoices_void", responses=VoidedInvoiceSerializer)
    def post(self, request: Request, invoice_id: UUID) -> Response:
        invoice = visible_or_404(Invoice.objects.all(), request, pk=invoice_id)
        asked: dict[str, Any] = self.read(InvoiceVoidSerializer)
        now, pending = clock.now(), False
        if invoice.status == Invoice.Status.VOID:
            _decide(invoice, **asked, source=caller_name(request))
        else:
            action = collection.void_invoice(invoice_id=invoice_id, actor=None, now=now, **asked)
            pending = action.status == InvoiceAction.Status.WAITING
        answer = {"invoice": shown_invoices().get(pk=invoice_id), "pending": pending}
        return Response(VoidedInvoiceSerializer(answer).data)


def _decide(invoice: Invoice, *, reason: str, reissue: bool, source: str) -> None:
    if invoice.replacement is not None or invoice.unbilled_reason:
        return
    if reissue:
        reissue_invoice(invoice_id=invoice.pk, now=clock.now(), source=source)
    else:
        leave_unbilled(invoice_id=invoice.pk, reason=reason, now=clock.now(), source=source)
