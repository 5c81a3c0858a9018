"""Comparisons of our invoices with Stripe's, and what they found."""

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone as clock

from billing.models.fields import StripeAccountField
from invoices.models.invoices import Invoice


class ReconciliationRun(models.Model):
    """One comparison of the invoices of the last `days` days with Stripe."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    started_at = models.DateTimeField(default=clock.now)
    finished_at = models.DateTimeField(null=True, blank=True)
    days = models.PositiveSmallIntegerField()
    checked = models.PositiveIntegerField(default=0)
    healed = models.PositiveIntegerField(default=0)
    error = models.TextField(blank=True, help_text="Why it stopped before its end.")

    class Meta:
        ordering = ["-started_at"]

    def __str__(self) -> str:
        return f"{self.started_at:%Y-%m-%d %H:%M}"


class Difference(models.Model):
    """One thing in which an invoice and its counterpart in Stripe differ.

    `remedy` is what one click may do about it; empty when a person has to look.
    """

    class Kind(models.TextChoices):
        STATUS = "status", "Status"
        TOTAL = "total", "Total"
        CURRENCY = "currency", "Currency"
        ITEMS = "items", "Items"
        PAYMENTS = "payments", "Payments"
        REFUNDS = "refunds", "Refunds"
        MISSING_IN_STRIPE = "missing_in_stripe", "Missing in Stripe"
        UNKNOWN_HERE = "unknown_here", "Unknown here"

    class Remedy(models.TextChoices):
        SETTLE = "settle", "Take over Stripe's status"
        SYNC = "sync", "Send it to Stripe again"
        VOID_IN_STRIPE = "void_in_stripe", "Void it in Stripe"

    OPEN: ClassVar = Q(resolved_at__isnull=True)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    run = models.ForeignKey(ReconciliationRun, on_delete=models.CASCADE, related_name="differences")
    invoice = models.ForeignKey(
        Invoice, on_delete=models.CASCADE, null=True, blank=True, related_name="differences"
    )
    account = StripeAccountField("Stripe account", editable=False)
    stripe_invoice_id = models.CharField(max_length=255, blank=True)
    kind = models.CharField(max_length=24, choices=Kind)
    ours = models.CharField(max_length=200, blank=True)
    theirs = models.CharField(max_length=200, blank=True)
    remedy = models.CharField(max_length=16, choices=Remedy, blank=True)
    resolved_at = models.DateTimeField(null=True, blank=True)
    resolved_by = models.CharField(
        max_length=200, blank=True, help_text="A person, or the run that healed it."
    )

    class Meta:
        ordering = ["resolved_at", "kind", "id"]
        indexes = [
            models.Index(
                fields=["run"], condition=Q(resolved_at__isnull=True), name="open_differences"
            )
        ]

    def __str__(self) -> str:
        name = self.invoice.number if self.invoice else self.stripe_invoice_id
        return f"{name}: {self.get_kind_display().lower()} is {self.ours}, in Stripe {self.theirs}"
