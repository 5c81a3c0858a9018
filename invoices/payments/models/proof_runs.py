"""Runs of the proof that are kept for finance to look at."""

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone as clock


class ProofRun(models.Model):
    """One run of all steps of the proof, over all workspaces.

    A run that was killed has no end and no result.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    started_at = models.DateTimeField(default=clock.now)
    finished_at = models.DateTimeField(null=True, blank=True)
    passed = models.BooleanField(null=True)
    periods = models.PositiveIntegerField(default=0)
    steps = models.JSONField(default=list, help_text="Each with its result and first difference.")
    differences = models.JSONField(default=list, help_text="The first ones of each step.")

    class Meta:
        ordering = ["-started_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(finished_at__isnull=True, passed__isnull=True)
                | Q(finished_at__isnull=False, passed__isnull=False),
                name="a_finished_proof_has_a_result",
            )
        ]

    def __str__(self) -> str:
        return f"{self.started_at:%Y-%m-%d %H:%M}"
