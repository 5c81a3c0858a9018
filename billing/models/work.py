"""Durable work: a row that says what is to be done, and stays until it has been.

Whatever must happen although a network, a server or our own process fails in between is a row of
one of its subclasses, written with the change that causes it. `billing.services.work` takes it up.
"""

from typing import Any, ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone as clock

from billing.models.workspaces import Workspace


class DurableWork(models.Model):
    """One piece of work. Its primary key, or a key of its own, names what it is about."""

    class Status(models.TextChoices):
        WAITING = "waiting"
        BLOCKED = "blocked"
        DONE = "done"
        FAILED = "failed"

    class Reason(models.TextChoices):
        """Why it is blocked: trying again by itself would not help."""

        REFUSED = "refused", "Refused"
        EXHAUSTED = "exhausted", "Tried in vain for too long"
        MISMATCH = "mismatch", "The total differs"
        CHANGED = "changed", "Changed by somebody else"

    UNFINISHED: ClassVar = Q(status__in=["waiting", "blocked"])

    status = models.CharField(max_length=8, choices=Status, default=Status.WAITING)
    blocked_reason = models.CharField(max_length=16, choices=Reason, blank=True)
    attempts = models.PositiveIntegerField(
        default=0, help_text="Tries since it last worked, the present one with them."
    )
    last_error = models.TextField(blank=True)
    requested_at = models.DateTimeField(default=clock.now, editable=False)
    next_attempt_at = models.DateTimeField(default=clock.now)
    # When the sweep last put it in the queue, so that a long queue is not filled again.
    queued_at = models.DateTimeField(null=True, blank=True, editable=False)
    finished_at = models.DateTimeField(null=True, blank=True)
    # One process at a time works on it, for as long as its lease runs.
    lease_token = models.UUIDField(null=True, blank=True, editable=False)
    lease_expires_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                condition=Q(status__in=["waiting", "blocked", "done", "failed"]),
                name="%(class)s_status_is_known",
            ),
            models.CheckConstraint(
                condition=Q(
                    status="blocked",
                    blocked_reason__in=["refused", "exhausted", "mismatch", "changed"],
                )
                | (~Q(status="blocked") & Q(blocked_reason="")),
                name="%(class)s_is_blocked_for_a_reason",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["waiting", "blocked"], finished_at__isnull=True)
                | Q(status__in=["done", "failed"], finished_at__isnull=False),
                name="%(class)s_has_an_end_when_finished",
            ),
            models.CheckConstraint(
                condition=Q(lease_token__isnull=True, lease_expires_at__isnull=True)
                | Q(lease_token__isnull=False, lease_expires_at__isnull=False),
                name="%(class)s_lease_is_whole",
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(
                fields=["next_attempt_at"],
                condition=Q(status__in=["waiting", "blocked"]),
                name="%(class)s_unfinished",
            )
        ]

    def about(self) -> tuple[str, models.Model | None, Workspace | None]:
        """What it is for, as a person would say; what to look at; whose it is."""
        raise NotImplementedError

    @classmethod
    def with_subjects(cls) -> models.QuerySet[Any]:
        """Rows with all that `about` reads."""
        return cls._default_manager.all()
