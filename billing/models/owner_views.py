"""Staff looking at a workspace's pages as its owner does: who, whose, when, why."""

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils import timezone as clock

from billing.models.workspaces import Workspace


class OwnerView(models.Model):
    """One look, opened by a person of the platform; the owners see it in their list of changes."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="owner_views")
    seen_by = models.CharField(max_length=254, help_text="Their address.")
    reason = models.CharField(max_length=500, help_text="As the owners read it.")
    started_at = models.DateTimeField(default=clock.now)
    ends_at = models.DateTimeField()
    left_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["-started_at"]
        default_permissions = ()
        permissions: ClassVar = [("open_ownerview", "Can see a workspace as its owner does")]
        constraints = [
            models.CheckConstraint(
                condition=~Q(seen_by="") & ~Q(reason=""), name="an_owner_view_says_who_and_why"
            ),
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("started_at")), name="an_owner_view_ends"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.workspace}, seen by {self.seen_by}"
