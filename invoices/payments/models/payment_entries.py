"""The money that moved for an invoice, as Stripe holds it."""

import uuid
from decimal import Decimal

from django.db import models
from django.db.models import F, Q

from invoices.models.invoices import Invoice


class PaymentEntry(models.Model):
    """A payment, refund, dispute or credit note that Stripe holds for an invoice.

    `stripe_id` is the charge, refund, dispute or credit note; refunds and disputes name the
    charge they take back in `charge_id`. `amount_refunded` is the charge's running total.
    """

    class Kind(models.TextChoices):
        PAYMENT = "payment", "Payment"
        REFUND = "refund", "Refund"
        DISPUTE = "dispute", "Dispute"
        CREDIT_NOTE = "credit_note", "Credit note"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    invoice = models.ForeignKey(Invoice, on_delete=models.CASCADE, related_name="payment_entries")
    kind = models.CharField(max_length=16, choices=Kind)
    stripe_id = models.CharField(max_length=255, unique=True)
    charge_id = models.CharField(max_length=255, blank=True, db_index=True)
    payment_intent_id = models.CharField(max_length=255, blank=True, db_index=True)
    amount = models.DecimalField(max_digits=20, decimal_places=3, default=Decimal(0))
    amount_refunded = models.DecimalField(max_digits=20, decimal_places=3, default=Decimal(0))
    status = models.CharField(max_length=40, help_text="As Stripe calls it.")
    reason = models.CharField(max_length=200, blank=True)
    occurred_at = models.DateTimeField()
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["occurred_at", "stripe_id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=["payment", "refund", "dispute", "credit_note"]),
                name="payment_entry_kind_is_known",
            ),
            models.CheckConstraint(
                condition=Q(
                    amount__gte=0, amount_refunded__gte=0, amount_refunded__lte=F("amount")
                ),
                name="payment_entry_amounts_within_bounds",
            ),
        ]
        indexes = [models.Index(fields=["invoice", "kind"], name="payment_entries_of_invoice")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.stripe_id}"
