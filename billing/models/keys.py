"""Service keys, with which internal services call the API."""

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone as clock

from billing.models.fields import LineField
from billing.models.workspaces import Workspace

SCOPES = (
    "usage:write",
    "usage:read",
    "billing:read",
    "billing:write",
    "workspaces:write",
    "terms:write",
    "prices:write",
    "audit:read",
)
# What owners may give keys of their own. Not `usage:write`: who records usage can void it, or take
# the idempotency key of a use before it is recorded, and so pay less.
OWNER_SCOPES = ("usage:read", "billing:read")


class ServiceKey(models.Model):
    """Only the SHA-256 of a key is kept; the key itself is shown once, when it is made."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = LineField(max_length=100)
    prefix = models.CharField(max_length=16, unique=True, editable=False)
    digest = models.BinaryField(max_length=32, editable=False)
    scopes = ArrayField(models.CharField(max_length=32, choices=[(s, s) for s in SCOPES]))
    workspace = models.ForeignKey(
        Workspace,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="service_keys",
        help_text="Empty: every workspace.",
    )
    by_owner = models.BooleanField(
        default=False, editable=False, help_text="Made by an owner of its workspace, for it."
    )
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(scopes__contained_by=list(SCOPES)),
                name="service_key_scopes_are_known",
            ),
            models.CheckConstraint(
                condition=models.Q(by_owner=False)
                | models.Q(workspace__isnull=False, scopes__contained_by=list(OWNER_SCOPES)),
                name="keys_of_owners_read_their_workspace",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"
