"""What was paid outside of Stripe, on its way into Stripe's own invoice."""

import uuid
from typing import Any

from django.db import models
from django.db.models import Q

from billing.models import DurableWork, Workspace
from invoices.models.invoices import Invoice
from invoices.payments.models.payments import CreditEntry, PaymentAllocation
from invoices.payments.models.stripe_requests import StripeRequest


class ReportedPayment(StripeRequest, DurableWork):
    """A bank transfer or used credit that Stripe is to take off what it charges for an invoice.

    Two requests: a payment record is made (this row is that request, `stripe_id` its answer), and
    attached to the invoice.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    invoice = models.ForeignKey(Invoice, on_delete=models.CASCADE, related_name="reported_payments")
    allocation = models.OneToOneField(
        PaymentAllocation, on_delete=models.CASCADE, null=True, blank=True, related_name="report"
    )
    credit_entry = models.OneToOneField(
        CreditEntry, on_delete=models.CASCADE, null=True, blank=True, related_name="report"
    )
    amount = models.DecimalField(max_digits=20, decimal_places=3)
    stripe_id = models.CharField(max_length=255, null=True, blank=True, unique=True)
    attached_at = models.DateTimeField(null=True, blank=True)

    class Meta(DurableWork.Meta):
        verbose_name = "payment to tell Stripe of"
        verbose_name_plural = "payments to tell Stripe of"
        constraints = [
            *DurableWork.Meta.constraints,
            models.CheckConstraint(
                condition=Q(allocation__isnull=False, credit_entry__isnull=True)
                | Q(allocation__isnull=True, credit_entry__isnull=False),
                name="a_reported_payment_is_one_of_two_kinds",
            ),
            models.CheckConstraint(
                condition=Q(attached_at__isnull=True) | Q(stripe_id__isnull=False),
                name="only_a_payment_record_can_be_attached",
            ),
        ]

    def __str__(self) -> str:
        return f"Payment of {self.amount} for {self.invoice_id}"

    def about(self) -> tuple[str, models.Model | None, Workspace | None]:
        text = f"What was paid of {self.invoice.number}, into Stripe"
        return text, self.invoice, self.invoice.workspace

    @classmethod
    def with_subjects(cls) -> models.QuerySet[Any]:
        return cls.objects.select_related(
            "invoice__workspace", "allocation__payment", "credit_entry"
        )
