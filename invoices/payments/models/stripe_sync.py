"""The Stripe sync of an invoice: how far it has come on its way into Stripe, step by step."""

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone as clock

from invoices.models.invoices import Invoice
from invoices.payments.models.stripe_requests import Leased, StripeRequest


class StripeSync(Leased):
    """The sync of one invoice. Another `build` starts over with a new draft."""

    class Status(models.TextChoices):
        PENDING = "pending"
        WAITING = "waiting", "Waiting to try again"
        BLOCKED = "blocked", "Blocked: needs a person"
        DONE = "done"

    class Reason(models.TextChoices):
        """Why a sync is blocked."""

        MISMATCH = "mismatch", "Stripe's total differs"
        REFUSED = "refused", "Stripe refused it"
        CHANGED = "changed", "Changed in Stripe"

    invoice = models.OneToOneField(
        Invoice, on_delete=models.CASCADE, primary_key=True, related_name="stripe_sync"
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
        verbose_name_plural = "invoice syncs"
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(status__in=["pending", "waiting", "blocked", "done"]),
                name="sync_status_is_known",
            ),
            models.CheckConstraint(
                condition=Q(status="blocked", reason__in=["mismatch", "refused", "changed"])
                | (~Q(status="blocked") & Q(reason="")),
                name="only_a_parked_push_has_a_reason",
            ),
            models.CheckConstraint(
                condition=Q(lease_token__isnull=True, lease_expires_at__isnull=True)
                | Q(lease_token__isnull=False, lease_expires_at__isnull=False),
                name="sync_lease_is_whole",
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
        return f"Sync of {self.invoice_id}: {self.get_status_display()}"


class StripeSyncStep(StripeRequest):
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
        BLOCKED = "blocked", "Blocked: needs a person"
        FAILED = "failed", "Did not work; the sync went on"
        ABANDONED = "abandoned", "Replaced by a later build"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    sync = models.ForeignKey(StripeSync, on_delete=models.CASCADE, related_name="steps")
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
                fields=["sync", "build", "kind", "subject"], name="one_step_per_build_and_subject"
            ),
            models.UniqueConstraint(
                fields=["sync", "build", "position"], name="one_step_per_build_and_position"
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
                name="sync_step_kind_is_known",
            ),
            models.CheckConstraint(
                condition=Q(
                    status__in=["pending", "done", "waiting", "blocked", "failed", "abandoned"]
                ),
                name="sync_step_status_is_known",
            ),
            models.CheckConstraint(
                condition=Q(status="done", done_at__isnull=False) | ~Q(status="done"),
                name="a_done_push_step_has_its_time",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} ({self.get_status_display()})"
