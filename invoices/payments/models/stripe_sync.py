"""The Stripe sync of an invoice: how far it has come on its way into Stripe, step by step."""

import uuid
from typing import Any

from django.db import models
from django.db.models import Q
from django.utils import timezone as clock

from billing.models import DurableWork, Workspace
from invoices.models.invoices import Invoice
from invoices.payments.models.stripe_requests import StripeRequest


class StripeSync(DurableWork):
    """The sync of one invoice. Another `build` starts over with a new draft."""

    invoice = models.OneToOneField(
        Invoice, on_delete=models.CASCADE, primary_key=True, related_name="stripe_sync"
    )
    build = models.PositiveSmallIntegerField(default=1)

    class Meta(DurableWork.Meta):
        verbose_name = "Stripe sync"
        verbose_name_plural = "Stripe syncs"

    def __str__(self) -> str:
        return f"Stripe sync of {self.invoice.number}"

    def about(self) -> tuple[str, models.Model | None, Workspace | None]:
        return f"Invoice {self.invoice.number} into Stripe", self.invoice, self.invoice.workspace

    @classmethod
    def with_subjects(cls) -> models.QuerySet[Any]:
        return cls.objects.select_related(
            "invoice__workspace", "invoice__billing_period__workspace"
        )


class StripeSyncStep(StripeRequest):
    """One step of a build; `position` is its turn."""

    class Kind(models.TextChoices):
        CUSTOMER = "customer", "Customer"
        DISCARD = "discard", "Delete earlier drafts"
        DRAFT = "draft", "Draft"
        ITEM = "item", "Line"
        COMPARE = "compare", "Compare the total"
        FINALIZE = "finalize", "Finalize"
        REPORT = "report", "Tell what was paid already"
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
    last_error = models.TextField(blank=True)
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
                        "report",
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
                name="a_done_sync_step_has_its_time",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} ({self.get_status_display()})"
