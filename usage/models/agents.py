"""Voice agents."""

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone as clock

from billing.models import Workspace
from billing.models.fields import LineField


class VoiceAgent(models.Model):
    """An agent that takes calls; paused by hand, by the usage limit, a budget or a suspension."""

    class Status(models.TextChoices):
        DRAFT = "draft"
        LIVE = "live"
        PAUSED = "paused"

    class PausedReason(models.TextChoices):
        USAGE_LIMIT = "usage_limit", "Usage limit"
        SUSPENDED = "suspended"
        MANUAL = "manual"
        BUDGET = "budget"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="agents")
    name = LineField(max_length=200)
    status = models.CharField(max_length=8, choices=Status, default=Status.DRAFT)
    paused_reason = models.CharField(max_length=16, choices=PausedReason, null=True, blank=True)
    # A digest of the facts it was asked for with, by which the same request again is known.
    created_from = models.CharField(max_length=64, blank=True, editable=False)
    created_at = models.DateTimeField(default=clock.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    status="paused",
                    paused_reason__in=["usage_limit", "suspended", "manual", "budget"],
                )
                | Q(status__in=["draft", "live"], paused_reason__isnull=True),
                name="only_a_paused_agent_has_a_reason",
            ),
        ]

    def __str__(self) -> str:
        return self.name
