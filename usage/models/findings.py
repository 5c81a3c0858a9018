"""What finance should look at: costs that differ from the cost card, and records sold too cheaply.

Counted where records are written, a row for each kind and not for each record. Spread over slots
as counters are, so that batches do not wait for each other; readers add the slots up.
"""

from typing import Any, ClassVar

from django.db import models
from django.db.models import Q

from billing.models import COUNTER_SLOTS, BillingPeriod, ProviderCost, Workspace
from billing.models.tiers import MONEY_SUM

_QUANTITIES: dict[str, Any] = {"max_digits": 28, "decimal_places": 6}
_UNIT_COST: dict[str, Any] = {"max_digits": 20, "decimal_places": 10}


class CostDrift(models.Model):
    """Records sent with another unit cost than a row of the cost card says."""

    provider_cost = models.ForeignKey(
        ProviderCost, on_delete=models.CASCADE, related_name="drifts", db_index=False
    )
    resource_type = models.CharField(max_length=64)
    model = models.CharField(max_length=64, blank=True)
    currency = models.CharField(max_length=3, help_text="Of the unit costs that were sent.")
    slot = models.PositiveSmallIntegerField()
    records = models.BigIntegerField()
    quantity = models.DecimalField(**_QUANTITIES)
    cost = models.DecimalField(**MONEY_SUM, help_text="Quantity x unit cost as sent.")
    least = models.DecimalField(**_UNIT_COST)
    most = models.DecimalField(**_UNIT_COST)
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()

    class Meta:
        verbose_name = "cost drift"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["provider_cost", "resource_type", "model", "currency", "slot"],
                name="one_drift_per_cost_and_kind",
            ),
            models.CheckConstraint(condition=Q(slot__lt=COUNTER_SLOTS), name="drift_slot_exists"),
        ]

    def __str__(self) -> str:
        return f"{self.records} records of {self.resource_type}"


class LowMargin(models.Model):
    """Records of a period sold below the least margin of the rate or override they were priced by.

    A record that was taken back, or trued up, stays counted: it was sold so.
    """

    workspace = models.ForeignKey(
        Workspace, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    billing_period = models.ForeignKey(
        BillingPeriod, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    rate_id = models.UUIDField()
    resource_type = models.CharField(max_length=64)
    provider = models.CharField(max_length=64)
    model = models.CharField(max_length=64, blank=True)
    agent_id = models.UUIDField(null=True)
    slot = models.PositiveSmallIntegerField()
    records = models.BigIntegerField()
    total_cost = models.DecimalField(**MONEY_SUM)
    final_cost = models.DecimalField(**MONEY_SUM)
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()

    class Meta:
        verbose_name = "low margin"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=[
                    "billing_period",
                    "rate_id",
                    "resource_type",
                    "provider",
                    "model",
                    "agent_id",
                    "slot",
                ],
                nulls_distinct=False,
                name="one_low_margin_per_rate_and_kind",
            ),
            models.CheckConstraint(
                condition=Q(slot__lt=COUNTER_SLOTS), name="low_margin_slot_exists"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.records} records of {self.resource_type}"
