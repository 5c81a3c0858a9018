"""What dj-stripe does not keep about webhooks: who handled what, and secrets being replaced."""

from django.db import models
from django.utils import timezone as clock

from billing.models.fields import StripeAccountField


class HandledEvent(models.Model):
    """A Stripe event that a handler has dealt with, in the same transaction as its effects."""

    event_id = models.CharField(max_length=255)
    handler = models.CharField(max_length=100)
    account = StripeAccountField("Stripe account", editable=False)
    event_type = models.CharField(max_length=100)
    outcome = models.CharField(max_length=200, blank=True)
    handled_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        ordering = ["-handled_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["event_id", "handler"], name="each_handler_takes_an_event_once"
            ),
        ]
        indexes = [models.Index(fields=["handled_at"], name="handled_events_by_age")]

    def __str__(self) -> str:
        return f"{self.event_type} {self.event_id}"


class RetiringWebhookSecret(models.Model):
    """A signing secret that was replaced and is still accepted for a while.

    Events that were signed before Stripe began to use the new one are still on their way.
    """

    endpoint_uuid = models.UUIDField(help_text="The one in the endpoint's address.")
    secret = models.CharField(max_length=256, editable=False)
    valid_until = models.DateTimeField()

    class Meta:
        ordering = ["-valid_until"]
        constraints = [
            models.UniqueConstraint(
                fields=["endpoint_uuid", "secret"], name="a_secret_retires_once_per_endpoint"
            ),
        ]

    def __str__(self) -> str:
        return f"Accepted until {self.valid_until:%Y-%m-%d %H:%M}"
