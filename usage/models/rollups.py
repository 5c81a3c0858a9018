"""Sums of usage records by day."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from billing.models import COUNTER_SLOTS, BillingPeriod, Workspace
from billing.models.tiers import MONEY_SUM
from usage.models.agents import VoiceAgent


class UsageRollup(models.Model):
    """Sums of one period's records by day of the workspace's clock, resource type, provider, and
    the rate that they were priced by (null: the markup).

    What a rate's price makes of a whole period is a function of the sums with that rate: it never
    matters which records a match was for.

    Spread over the period's counter slots, so that concurrent batches for one workspace do not
    wait for each other; readers add the slots up.

    References have no foreign key constraints, for which PostgreSQL fetches each row again when its
    sums change. Nothing is lost: a rollup is written with its period's counters, which have one.
    """

    workspace = models.ForeignKey(
        Workspace, on_delete=models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    billing_period = models.ForeignKey(
        BillingPeriod,
        on_delete=models.CASCADE,
        related_name="rollups",
        db_constraint=False,
        db_index=False,
    )
    slot = models.PositiveSmallIntegerField()
    usage_date = models.DateField()
    resource_type = models.CharField(max_length=64)
    provider = models.CharField(max_length=64)
    rate_id = models.UUIDField(null=True)
    records = models.BigIntegerField()
    quantity = models.DecimalField(max_digits=28, decimal_places=6)
    billed_quantity = models.DecimalField(max_digits=28, decimal_places=6)
    total_cost = models.DecimalField(**MONEY_SUM)
    final_cost = models.DecimalField(**MONEY_SUM)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=[
                    "billing_period",
                    "slot",
                    "usage_date",
                    "resource_type",
                    "provider",
                    "rate_id",
                ],
                nulls_distinct=False,
                name="one_rollup_per_day_and_kind",
            ),
            models.CheckConstraint(condition=Q(slot__lt=COUNTER_SLOTS), name="rollup_slot_exists"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["workspace", "usage_date"], name="rollups_of_workspace"),
        ]

    def __str__(self) -> str:
        return f"{self.resource_type} on {self.usage_date}"


class DimensionRollup(models.Model):
    """Sums of those of one period's records that have an agent or a model, by both, by day of the
    workspace's clock, resource type and provider; spread over slots as `UsageRollup` is.

    Kept apart from that one, which limits and the close read: it has as many rows a day as a
    workspace has agents and models in use, and records without either add nothing to it.
    """

    workspace = models.ForeignKey(
        Workspace, on_delete=models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    billing_period = models.ForeignKey(
        BillingPeriod,
        on_delete=models.CASCADE,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )
    slot = models.PositiveSmallIntegerField()
    usage_date = models.DateField()
    agent = models.ForeignKey(
        VoiceAgent,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        null=True,
        related_name="+",
    )
    model = models.CharField(max_length=64, null=True)
    resource_type = models.CharField(max_length=64)
    provider = models.CharField(max_length=64)
    records = models.BigIntegerField()
    quantity = models.DecimalField(max_digits=28, decimal_places=6)
    total_cost = models.DecimalField(**MONEY_SUM)
    final_cost = models.DecimalField(**MONEY_SUM)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=[
                    "billing_period",
                    "slot",
                    "usage_date",
                    "agent",
                    "model",
                    "resource_type",
                    "provider",
                ],
                nulls_distinct=False,
                name="one_dimension_rollup_per_day_and_kind",
            ),
            models.CheckConstraint(
                condition=Q(slot__lt=COUNTER_SLOTS), name="dimension_rollup_slot_exists"
            ),
            models.CheckConstraint(
                condition=Q(agent__isnull=False) | Q(model__isnull=False),
                name="dimension_rollup_has_a_dimension",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["workspace", "usage_date"], name="dimensions_of_workspace"),
        ]

    def __str__(self) -> str:
        return f"{self.resource_type} on {self.usage_date}"
