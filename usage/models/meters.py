"""What the meters of closed periods came to."""

from typing import ClassVar

from django.db import models
from django.db.models import F

from billing.models import BillingPeriod
from billing.models.tiers import MONEY_SUM


class PeriodMeter(models.Model):
    """A rate whose price depends on the whole period, as the period was closed. A trigger refuses
    changes.

    A meter adds up everything that one rate priced in a period. Its records were written at list
    price; `adjustment` is what the period makes of that. Where a meter holds late usage too, each
    month has a row of its own: the period's own usage counts first.
    """

    billing_period = models.ForeignKey(
        BillingPeriod, on_delete=models.PROTECT, related_name="meters", db_index=False
    )
    rate_id = models.UUIDField()
    # Late usage: the first day of the month in which it occurred.
    usage_month = models.DateField(null=True)
    resource_type = models.CharField(max_length=64)
    description = models.CharField(max_length=200)
    billed_quantity = models.DecimalField(max_digits=28, decimal_places=6)
    list_amount = models.DecimalField(**MONEY_SUM, help_text="Sum of its records' list prices.")
    adjustment = models.DecimalField(
        **MONEY_SUM, help_text="What the period added; mostly negative."
    )
    net_amount = models.DecimalField(**MONEY_SUM)
    lines = models.JSONField(help_text="Quantities, prices and amounts that add up to the net.")

    class Meta:
        ordering = ["billing_period", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["billing_period", "rate_id", "usage_month"],
                nulls_distinct=False,
                name="one_meter_per_period_rate_and_month",
            ),
            models.CheckConstraint(
                condition=models.Q(net_amount=F("list_amount") + F("adjustment")),
                name="meter_net_is_list_and_adjustment",
            ),
        ]

    def __str__(self) -> str:
        return self.description
