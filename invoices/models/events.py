"""What happened to an invoice after it was issued: its history, and the money that moved."""

import uuid
from decimal import Decimal
from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils import timezone as clock

from invoices.models.invoices import Invoice


class InvoiceEvent(models.Model):
    """One line of an invoice's history, written with the change it tells of, never edited.

    `key` names what must be told once only (a reminder, one Stripe event); it may be empty.
    """

    class Kind(models.TextChoices):
        OPENED = "opened", "Sent to be paid"
        REMINDED = "reminded", "Reminder sent"
        PAYMENT_FAILED = "payment_failed", "Payment failed"
        OVERDUE = "overdue", "Overdue"
        SUSPENDED = "suspended", "Workspace suspended"
        REACTIVATED = "reactivated", "Workspace active again"
        PAID = "paid", "Paid"
        VOIDED = "voided", "Voided"
        UNCOLLECTIBLE = "uncollectible", "Marked as uncollectible"
        REFUND = "refund", "Refund"
        DISPUTE = "dispute", "Dispute"
        CREDIT_NOTE = "credit_note", "Credit note"
        FINALIZATION_FAILED = "finalization_failed", "Stripe could not finalize it"
        CONFLICT = "conflict", "Does not fit together"

    FOR_STAFF_ONLY: ClassVar = (Kind.FINALIZATION_FAILED, Kind.CONFLICT)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    invoice = models.ForeignKey(Invoice, on_delete=models.CASCADE, related_name="events")
    kind = models.CharField(max_length=24, choices=Kind)
    at = models.DateTimeField(help_text="When it took effect.")
    source = models.CharField(
        max_length=200, help_text="Who said so: a Stripe event, a person, the schedule."
    )
    detail = models.TextField(blank=True)
    key = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        ordering = ["at", "created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["invoice", "key"],
                condition=~Q(key=""),
                name="one_invoice_event_per_key",
            ),
        ]
        indexes = [models.Index(fields=["invoice", "at"], name="history_of_invoice")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} ({self.source})"

    @property
    def is_for_staff_only(self) -> bool:
        return self.kind in self.FOR_STAFF_ONLY


class InvoiceMovement(models.Model):
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
    invoice = models.ForeignKey(Invoice, on_delete=models.CASCADE, related_name="movements")
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
                name="movement_kind_is_known",
            ),
            models.CheckConstraint(
                condition=Q(
                    amount__gte=0, amount_refunded__gte=0, amount_refunded__lte=F("amount")
                ),
                name="movement_amounts_within_bounds",
            ),
        ]
        indexes = [models.Index(fields=["invoice", "kind"], name="movements_of_invoice")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.stripe_id}"
