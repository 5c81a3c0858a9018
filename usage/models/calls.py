"""Calls and their rollups."""

from decimal import Decimal
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import F, Q
from django.utils import timezone as clock

from billing.models import Workspace
from usage.models.agents import VoiceAgent


class Call(models.Model):
    """A call as the platform reported it last; its id is its idempotency key."""

    class Direction(models.TextChoices):
        INBOUND = "inbound"
        OUTBOUND = "outbound"

    class Status(models.TextChoices):
        IN_PROGRESS = "in_progress", "In progress"
        COMPLETED = "completed"
        FAILED = "failed"
        BUSY = "busy"
        NO_ANSWER = "no_answer", "No answer"
        CANCELLED = "cancelled"

    id = models.UUIDField(primary_key=True)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="calls")
    agent = models.ForeignKey(
        VoiceAgent, on_delete=models.PROTECT, null=True, blank=True, related_name="calls"
    )
    direction = models.CharField(max_length=8, choices=Direction)
    status = models.CharField(max_length=16, choices=Status)
    provider = models.CharField(max_length=64)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    duration_seconds = models.DecimalField(max_digits=12, decimal_places=3, null=True, blank=True)
    # When it started on the workspace's clock, as its rollup counts it.
    local_date = models.DateField(editable=False)
    local_hour = models.PositiveSmallIntegerField(editable=False)
    created_at = models.DateTimeField(default=clock.now, editable=False)
    updated_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        ordering = ["-started_at", "-id"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(direction__in=["inbound", "outbound"]), name="call_direction_is_known"
            ),
            models.CheckConstraint(
                condition=Q(
                    status__in=[
                        "in_progress",
                        "completed",
                        "failed",
                        "busy",
                        "no_answer",
                        "cancelled",
                    ]
                ),
                name="call_status_is_known",
            ),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True) | Q(ended_at__gte=F("started_at")),
                name="call_ends_after_its_start",
            ),
            models.CheckConstraint(
                condition=Q(duration_seconds__isnull=True) | Q(duration_seconds__gte=0),
                name="call_duration_not_negative",
            ),
            models.CheckConstraint(condition=Q(local_hour__lt=24), name="call_hour_of_a_day"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["workspace", "-started_at", "-id"], name="calls_of_workspace"),
            # What has changed lately (`usage.services.call_prices`).
            BrinIndex(
                fields=["updated_at"], pages_per_range=32, autosummarize=True, name="calls_changed"
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)


def no_calls() -> list[int]:
    return [0] * 24


class CallRollup(models.Model):
    """Calls of one workspace that started on one day of its clock, alike in all that is counted.

    `timed_calls` are the ended ones whose duration is known, `duration_seconds` is their sum.
    `by_hour` is how many started in each hour of the day: a row an hour would be 24 times as many
    to read for a chart of one line (ADR 59).
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    local_date = models.DateField()
    provider = models.CharField(max_length=64)
    status = models.CharField(max_length=16)
    direction = models.CharField(max_length=8)
    calls = models.BigIntegerField()
    timed_calls = models.BigIntegerField(default=0)
    duration_seconds = models.DecimalField(max_digits=20, decimal_places=3, default=Decimal(0))
    by_hour = ArrayField(models.IntegerField(), default=no_calls)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "local_date", "provider", "status", "direction"],
                name="one_call_rollup_per_day_and_kind",
            ),
            models.CheckConstraint(
                condition=Q(calls__gte=0, timed_calls__gte=0, duration_seconds__gte=0),
                name="call_rollup_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(timed_calls__lte=F("calls")),
                name="call_rollup_times_no_more_than_its_calls",
            ),
            models.CheckConstraint(
                condition=Q(by_hour__len=24), name="call_rollup_has_the_hours_of_a_day"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.calls} calls on {self.local_date}"
