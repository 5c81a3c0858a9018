"""What happened to an invoice after it was issued."""

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Q
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
        NO_PAYMENT_METHOD = "no_payment_method", "Not charged: no payment method"
        OVERDUE = "overdue", "Overdue"
        SUSPENDED = "suspended", "Workspace suspended"
        REACTIVATED = "reactivated", "Workspace active again"
        PAYMENT = "payment", "Payment received"
        PAYMENT_TAKEN_BACK = "payment_taken_back", "Payment taken back"
        CREDIT_USED = "credit_used", "Credit used"
        PAID = "paid", "Paid"
        VOIDED = "voided", "Voided"
        CARRIED_OVER = "carried_over", "Carried over"
        REISSUED = "reissued", "Issued anew"
        LEFT_UNBILLED = "left_unbilled", "Not to be billed again"
        UNCOLLECTIBLE = "uncollectible", "Written off"
        REFUND = "refund", "Refund"
        DISPUTE = "dispute", "Dispute"
        CREDIT_NOTE = "credit_note", "Credit note"
        FINALIZATION_FAILED = "finalization_failed", "Stripe could not finalize it"
        CONFLICT = "conflict", "Does not fit together"
        DECISION_ASKED = "decision_asked", "Asked of a second person"

    FOR_STAFF_ONLY: ClassVar = (Kind.FINALIZATION_FAILED, Kind.CONFLICT, Kind.DECISION_ASKED)

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
