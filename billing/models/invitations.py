"""Invitations into a workspace: by e-mail, until they are accepted, taken back or too old."""

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone as clock

from billing.models.fields import EmailAddressField
from billing.models.members import WorkspaceMember
from billing.models.people import User
from billing.models.workspaces import Workspace


class Invitation(models.Model):
    """Nobody is a member before they accept. The secret of its link is kept nowhere: it is made
    from the row and `SECRET_KEY`, and `generation` makes the links of before worthless."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="invitations")
    email = EmailAddressField(max_length=254, help_text="As two spellings of it are compared.")
    role = models.CharField(max_length=16, choices=WorkspaceMember.Role)
    invited_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    generation = models.PositiveSmallIntegerField(default=1)
    created_at = models.DateTimeField(default=clock.now)
    expires_at = models.DateTimeField()
    mail_due_at = models.DateTimeField(null=True, help_text="Empty: the mail is sent.")
    accepted_at = models.DateTimeField(null=True)
    cancelled_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["created_at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "email"],
                condition=Q(accepted_at=None, cancelled_at=None),
                name="one_open_invitation_per_address",
            ),
            models.CheckConstraint(
                condition=Q(role__in=["owner", "admin", "viewer"]), name="invited_role_is_known"
            ),
            models.CheckConstraint(
                condition=Q(accepted_at=None) | Q(cancelled_at=None),
                name="invitation_is_accepted_or_cancelled",
            ),
        ]
        indexes = [
            models.Index(
                fields=["mail_due_at"],
                condition=Q(mail_due_at__isnull=False),
                name="invitations_to_mail",
            )
        ]

    def __str__(self) -> str:
        return f"{self.email} ({self.role})"
