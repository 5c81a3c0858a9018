"""How far each invoice has come on its way into Stripe, and which customer it goes to.

Every request that creates or changes something in Stripe has a row here that was committed
before the request was sent: its idempotency key, its exact parameters, what came of it. A process
may die at any line; whoever continues knows what may already have happened.
"""

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone as clock

from billing.models import Workspace
from invoices.models.invoices import Invoice


class StripeRequest(models.Model):
    """One request and its repetitions. A new `key_version` has a new key and new parameters."""

    key_version = models.PositiveSmallIntegerField(default=0)
    idempotency_key = models.CharField(max_length=255, blank=True)
    key_used_at = models.DateTimeField(
        null=True, blank=True, help_text="When the present key was first used."
    )
    key_spent = models.BooleanField(
        default=False, help_text="The key would only repeat its last answer."
    )
    params = models.JSONField(default=dict, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    last_error = models.TextField(blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    done_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True


class Leased(models.Model):
    """A row that one process at a time works on, for as long as its lease runs."""

    lease_token = models.UUIDField(null=True, blank=True, editable=False)
    lease_expires_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True


class StripeCustomer(StripeRequest, Leased):
    """A workspace's customer in Stripe. Another `generation` follows one deleted there."""

    workspace = models.OneToOneField(
        Workspace, on_delete=models.CASCADE, primary_key=True, related_name="stripe_customer"
    )
    stripe_id = models.CharField(max_length=255, null=True, blank=True, unique=True)
    generation = models.PositiveSmallIntegerField(default=1)
    # The name, address, ... in Stripe are older than ours since then.
    details_changed_at = models.DateTimeField(null=True, blank=True)
    next_try_at = models.DateTimeField(default=clock.now)
    failures = models.PositiveSmallIntegerField(default=0)
    missing_since = models.DateTimeField(
        null=True, blank=True, help_text="When the last customer was found deleted in Stripe."
    )
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(lease_token__isnull=True, lease_expires_at__isnull=True)
                | Q(lease_token__isnull=False, lease_expires_at__isnull=False),
                name="customer_lease_is_whole",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["next_try_at"],
                condition=Q(details_changed_at__isnull=False),
                name="customers_to_update",
            ),
        ]

    def __str__(self) -> str:
        return self.stripe_id or "not in Stripe yet"


class InvoicePush(Leased):
    """The push of one invoice. Another `build` starts over with a new draft."""

    class Status(models.TextChoices):
        PENDING = "pending"
        WAITING = "waiting", "Waiting to try again"
        PARKED = "parked", "Parked: needs a person"
        DONE = "done"

    class Reason(models.TextChoices):
        """Why a push is parked."""

        MISMATCH = "mismatch", "Stripe's total differs"
        REFUSED = "refused", "Stripe refused it"
        CHANGED = "changed", "Changed in Stripe"

    invoice = models.OneToOneField(
        Invoice, on_delete=models.CASCADE, primary_key=True, related_name="push"
    )
    status = models.CharField(max_length=16, choices=Status, default=Status.PENDING)
    reason = models.CharField(max_length=16, choices=Reason, blank=True)
    last_error = models.TextField(blank=True)
    build = models.PositiveSmallIntegerField(default=1)
    failures = models.PositiveSmallIntegerField(
        default=0, help_text="Tries since the last step that worked."
    )
    next_try_at = models.DateTimeField(default=clock.now)
    # When the sweep last put it in the queue, so that a long queue is not filled again.
    queued_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=clock.now, editable=False)
    done_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "invoice pushes"
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(status__in=["pending", "waiting", "parked", "done"]),
                name="push_status_is_known",
            ),
            models.CheckConstraint(
                condition=Q(status="parked", reason__in=["mismatch", "refused", "changed"])
                | (~Q(status="parked") & Q(reason="")),
                name="only_a_parked_push_has_a_reason",
            ),
            models.CheckConstraint(
                condition=Q(lease_token__isnull=True, lease_expires_at__isnull=True)
                | Q(lease_token__isnull=False, lease_expires_at__isnull=False),
                name="push_lease_is_whole",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["next_try_at"],
                condition=Q(status__in=["pending", "waiting"]),
                name="pushes_to_continue",
            ),
        ]

    def __str__(self) -> str:
        return f"Push of {self.invoice_id}: {self.get_status_display()}"


class PushStep(StripeRequest):
    """One step of a build; `position` is its turn."""

    class Kind(models.TextChoices):
        CUSTOMER = "customer", "Customer"
        DISCARD = "discard", "Delete earlier drafts"
        DRAFT = "draft", "Draft"
        ITEM = "item", "Line"
        COMPARE = "compare", "Compare the total"
        FINALIZE = "finalize", "Finalize"
        SEND = "send", "Send"
        PAY = "pay", "Charge"

    class Status(models.TextChoices):
        PENDING = "pending"
        DONE = "done"
        WAITING = "waiting", "Waiting to try again"
        PARKED = "parked", "Parked: needs a person"
        FAILED = "failed", "Did not work; the push went on"
        ABANDONED = "abandoned", "Replaced by a later build"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    push = models.ForeignKey(InvoicePush, on_delete=models.CASCADE, related_name="steps")
    build = models.PositiveSmallIntegerField()
    position = models.PositiveSmallIntegerField()
    kind = models.CharField(max_length=16, choices=Kind)
    # An item's id, or "other" for the line that many small ones are combined into.
    subject = models.CharField(max_length=40, blank=True)
    status = models.CharField(max_length=16, choices=Status, default=Status.PENDING)
    stripe_id = models.CharField(max_length=255, blank=True)
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        ordering = ["build", "position"]
        constraints = [
            models.UniqueConstraint(
                fields=["push", "build", "kind", "subject"], name="one_step_per_build_and_subject"
            ),
            models.UniqueConstraint(
                fields=["push", "build", "position"], name="one_step_per_build_and_position"
            ),
            models.CheckConstraint(
                condition=Q(
                    kind__in=[
                        "customer",
                        "discard",
                        "draft",
                        "item",
                        "compare",
                        "finalize",
                        "send",
                        "pay",
                    ]
                ),
                name="push_step_kind_is_known",
            ),
            models.CheckConstraint(
                condition=Q(
                    status__in=["pending", "done", "waiting", "parked", "failed", "abandoned"]
                ),
                name="push_step_status_is_known",
            ),
            models.CheckConstraint(
                condition=Q(status="done", done_at__isnull=False) | ~Q(status="done"),
                name="a_done_push_step_has_its_time",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} ({self.get_status_display()})"
