"""What finance staff ask Stripe to do with an invoice, kept until Stripe has done it."""

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone as clock

from billing.models import User
from invoices.models.invoices import Invoice


class InvoiceAction(models.Model):
    """One request to Stripe about an issued invoice: written first, then done, then noted.

    A process killed in between leaves it pending, and the sweep carries on. Stripe's state is
    looked at before each attempt, so that an action whose answer was lost is not done twice.
    """

    class Kind(models.TextChoices):
        RETRY_PAYMENT = "retry_payment", "Retry the payment"
        PAY_OUT_OF_BAND = "pay_out_of_band", "Mark as paid outside of Stripe"
        VOID = "void", "Void"
        MARK_UNCOLLECTIBLE = "mark_uncollectible", "Mark as uncollectible"

    class Status(models.TextChoices):
        PENDING = "pending"
        DONE = "done"
        REFUSED = "refused"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    invoice = models.ForeignKey(Invoice, on_delete=models.CASCADE, related_name="actions")
    kind = models.CharField(max_length=24, choices=Kind)
    status = models.CharField(max_length=8, choices=Status, default=Status.PENDING)
    reason = models.TextField(blank=True, help_text="Why, as the customer may read it.")
    reissue = models.BooleanField(
        default=False, help_text="Of a void: bill the same usage on a new invoice."
    )
    actor = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True)
    requested_by = models.CharField(
        max_length=254, help_text="A person's address, or what in the system asked for it."
    )
    # What the system must try once only; empty for people.
    key = models.CharField(max_length=40, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    last_error = models.TextField(blank=True)
    next_try_at = models.DateTimeField(default=clock.now)
    requested_at = models.DateTimeField(default=clock.now, editable=False)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-requested_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["invoice"],
                condition=Q(status="pending"),
                name="one_pending_action_per_invoice",
            ),
            models.UniqueConstraint(
                fields=["invoice", "key"], condition=~Q(key=""), name="one_action_per_invoice_key"
            ),
            models.CheckConstraint(
                condition=Q(
                    kind__in=["retry_payment", "pay_out_of_band", "void", "mark_uncollectible"]
                ),
                name="action_kind_is_known",
            ),
            models.CheckConstraint(
                condition=~Q(kind="void") | ~Q(reason=""), name="a_void_is_asked_for_with_a_reason"
            ),
            models.CheckConstraint(
                condition=Q(kind="void") | Q(reissue=False), name="only_what_is_void_is_reissued"
            ),
            models.CheckConstraint(
                condition=Q(status="pending", finished_at__isnull=True)
                | Q(status__in=["done", "refused"], finished_at__isnull=False),
                name="only_a_finished_action_has_an_end",
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_try_at"], condition=Q(status="pending"), name="actions_to_carry_out"
            )
        ]

    def __str__(self) -> str:
        return self.get_kind_display()
