"""Model of the audit log: who changed what, from what to what, when and through which channel."""

import uuid

from django.db import models
from django.db.models.functions import Now


class AuditEntry(models.Model):
    """One row changed in one of the tables that bills depend on.

    Written by triggers, so that `.update()` and raw SQL leave their entry too, in the transaction
    of the change. Append-only: a trigger refuses UPDATE, DELETE and TRUNCATE. References are bare
    ids, for an entry outlives what it is about.
    """

    class Operation(models.TextChoices):
        INSERT = "insert"
        UPDATE = "update"
        DELETE = "delete"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    at = models.DateTimeField(db_default=Now())
    workspace_id = models.UUIDField(null=True)
    table = models.CharField(max_length=63)
    object_id = models.CharField(max_length=64)
    subject = models.CharField(max_length=254, blank=True, help_text="What it is called.")
    operation = models.CharField(max_length=6, choices=Operation)
    changes = models.JSONField(help_text="Column -> [before, after], as PostgreSQL writes them.")
    channel = models.CharField(max_length=16)
    actor = models.CharField(max_length=254)
    reason = models.TextField(blank=True)
    request_id = models.CharField(max_length=64, blank=True)

    class Meta:
        verbose_name = "change"
        ordering = ["-at", "-id"]
        indexes = [
            models.Index(fields=["-at", "-id"], name="audit_by_time"),
            models.Index(fields=["workspace_id", "-at", "-id"], name="audit_of_workspace"),
            models.Index(fields=["table", "object_id"], name="audit_of_object"),
            models.Index(fields=["actor", "-at", "-id"], name="audit_by_actor"),
        ]

    def __str__(self) -> str:
        return f"{self.operation} {self.table} {self.subject}".strip()
