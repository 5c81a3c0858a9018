"""When each provider was last heard of."""

from typing import ClassVar

from django.db import models
from django.db.models import Q


class ProviderHeartbeat(models.Model):
    """When a provider's usage, or calls through it, last arrived; to the minute.

    A provider from which nothing comes while calls run is an outage of theirs or of what posts its
    usage, and money that is not billed.
    """

    class Source(models.TextChoices):
        USAGE = "usage"
        CALLS = "calls"

    source = models.CharField(max_length=5, choices=Source)
    provider = models.CharField(max_length=64)
    at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["source", "provider"], name="one_heartbeat_per_source_and_provider"
            ),
            models.CheckConstraint(
                condition=Q(source__in=["usage", "calls"]), name="heartbeat_source_is_known"
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["-at"], name="heartbeats_by_time")]

    def __str__(self) -> str:
        return f"{self.source} of {self.provider}"
