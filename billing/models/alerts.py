"""Alerts that a period has raised."""

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone as clock

from billing.models.periods import BillingPeriod
from billing.models.tiers import MONEY_SUM
from billing.models.workspaces import Workspace


class LimitAlert(models.Model):
    """A crossing of the alert threshold or the limit: one for each period and level.

    A limit that is changed has levels of its own: raised, it warns again.
    """

    class Kind(models.TextChoices):
        THRESHOLD = "threshold"
        LIMIT = "limit"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="alerts")
    period = models.ForeignKey(BillingPeriod, on_delete=models.CASCADE, related_name="alerts")
    kind = models.CharField(max_length=16, choices=Kind)
    spend = models.DecimalField(**MONEY_SUM)
    usage_limit = models.DecimalField(max_digits=18, decimal_places=4)
    threshold_percentage = models.DecimalField(max_digits=7, decimal_places=4)
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["period", "usage_limit"],
                condition=Q(kind="limit"),
                name="one_limit_alert_per_period_and_limit",
            ),
            models.UniqueConstraint(
                fields=["period", "usage_limit", "threshold_percentage"],
                condition=Q(kind="threshold"),
                name="one_threshold_alert_per_period_and_level",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=["threshold", "limit"]), name="alert_kind_is_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} reached"
