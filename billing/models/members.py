"""Members of workspaces: what each may do, and which mails each does without."""

import uuid
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from billing.models.people import User
from billing.models.workspaces import Workspace


class OptionalMail(models.TextChoices):
    """Mails to owners that each may do without; what the law or a payment asks for is none."""

    LIMIT_NEAR = "limit_near", "Much of the usage limit is used"
    LIMIT_REACHED = "limit_reached", "The usage limit is reached"
    CALL_DISPUTE = "call_dispute", "Decisions on disputed calls"
    BUDGET = "budget", "Much of a budget is used"
    WEEKLY_SUMMARY = "weekly_summary", "Each Monday: spend and budgets"


class WorkspaceMember(models.Model):
    class Role(models.TextChoices):
        OWNER = "owner"
        ADMIN = "admin"
        VIEWER = "viewer"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=16, choices=Role, default=Role.VIEWER)
    mails_off: Any = ArrayField(
        models.CharField(max_length=24, choices=OptionalMail),
        default=list,
        db_default=[],
        blank=True,
        help_text="Mails about this workspace that this person does without.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "user"], name="one_membership_per_workspace_and_user"
            ),
            models.CheckConstraint(
                condition=Q(role__in=["owner", "admin", "viewer"]), name="member_role_is_known"
            ),
            models.CheckConstraint(
                condition=Q(mails_off__contained_by=OptionalMail.values),
                name="member_does_without_known_mails",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} ({self.role})"

    @property
    def may_change_settings(self) -> bool:
        return self.role in (self.Role.OWNER, self.Role.ADMIN)
