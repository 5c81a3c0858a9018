"""Closing a billing period on demand."""

from uuid import UUID

from django.utils import timezone as clock
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.access import visible_or_404
from billing.api.periods import shown_periods
from billing.api.serializers import PeriodSerializer
from billing.api.views import ApiView
from billing.models import BillingPeriod
from invoices.api.invoices import shown_invoices
from invoices.api.serializers import (
    FinalizedPeriodSerializer,
    FinalizeSerializer,
    InvoiceSerializer,
)
from invoices.services.closing import finalize_period


class Finalize(ApiView):
    """Closes a period without waiting for its grace: totals frozen, invoice written."""

    required_scopes = {"POST": "billing:write"}
    serializer_class = FinalizeSerializer
    body_optional = True

    @extend_schema(operation_id="billing_periods_finalize", responses=FinalizedPeriodSerializer)
    def post(self, request: Request, period_id: UUID) -> Response:
        period = visible_or_404(BillingPeriod.objects.all(), request, pk=period_id)
        force: bool = self.read(FinalizeSerializer)["force"]
        finalize_period(period_id=period.pk, now=clock.now(), force=force)
        invoice = shown_invoices().filter(billing_period=period).first()
        return Response(
            {
                **PeriodSerializer(shown_periods().get(pk=period_id)).data,
                "invoice": None if invoice is None else InvoiceSerializer(invoice).data,
            }
        )
