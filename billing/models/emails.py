"""The e-mail outbox: messages queued in the transaction that causes them."""

import uuid
from typing import Any

from django.db import models

from billing.models.work import DurableWork
from billing.models.workspaces import Workspace


class Email(DurableWork):
    """One message; `key` makes asking for it twice send it once. Done is sent, failed given up."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    key = models.CharField(max_length=200, unique=True)
    kind = models.CharField(max_length=40, db_index=True)
    workspace = models.ForeignKey(
        Workspace, on_delete=models.CASCADE, null=True, blank=True, related_name="emails"
    )
    recipients = models.JSONField(help_text="A list of addresses.")
    subject = models.CharField(max_length=200)
    text = models.TextField()
    html = models.TextField(blank=True)
    # Where its one reader says that they want no more of these; mail programs offer it.
    unsubscribe_url = models.CharField(max_length=1000, blank=True)

    class Meta(DurableWork.Meta):
        verbose_name = "e-mail"
        ordering = ["-requested_at"]

    def __str__(self) -> str:
        return self.subject

    def about(self) -> tuple[str, models.Model | None, Workspace | None]:
        return f"“{self.subject}” to {', '.join(self.recipients)}", self, self.workspace

    @classmethod
    def with_subjects(cls) -> models.QuerySet[Any]:
        return cls.objects.select_related("workspace")


class EmailAttachment(models.Model):
    email = models.ForeignKey(Email, on_delete=models.CASCADE, related_name="attachments")
    filename = models.CharField(max_length=100)
    media_type = models.CharField(max_length=100)
    content = models.BinaryField()

    def __str__(self) -> str:
        return self.filename
