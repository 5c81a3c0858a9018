"""Requests to Stripe, as rows.

Every request that creates or changes something in Stripe has a row that was committed before the
request was sent: its idempotency key, its exact parameters, what came of it. A process may die at
any line; whoever continues knows what may already have happened.
"""

from django.db import models


class StripeRequest(models.Model):
    """One request and its repetitions. A new `key_version` has a new key and new parameters."""

    key_version = models.PositiveSmallIntegerField(default=0)
    idempotency_key = models.CharField(max_length=255, blank=True)
    key_used_at = models.DateTimeField(
        null=True, blank=True, help_text="When the present key was first used."
    )
    key_spent = models.BooleanField(
        default=False, help_text="The key would only repeat its last answer."
    )
    params = models.JSONField(default=dict, blank=True)
    times_tried = models.PositiveIntegerField(default=0)
    started_at = models.DateTimeField(null=True, blank=True)
    done_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True
