"""What each call has cost, kept beside the calls so that these can be sorted by it."""

from decimal import Decimal
from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from billing.models import Workspace
from billing.models.tiers import MONEY_SUM
from usage.models.agents import VoiceAgent
from usage.models.calls import Call


class CallPrice(models.Model):
    """A call's price at list price, with a copy of all that calls are chosen and sorted by.

    Derived from calls and usage records, a minute behind them (`usage.services.call_prices`,
    ADR 41): whoever must know now sums up the call's records.
    """

    # No constraints: a call is never deleted, and each would be a look-up a row.
    call = models.OneToOneField(
        Call, on_delete=models.DO_NOTHING, primary_key=True, db_constraint=False, related_name="+"
    )
    workspace = models.ForeignKey(
        Workspace, on_delete=models.CASCADE, db_index=False, related_name="+"
    )
    agent = models.ForeignKey(
        VoiceAgent,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        null=True,
        related_name="+",
    )
    direction = models.CharField(max_length=8)
    status = models.CharField(max_length=16)
    provider = models.CharField(max_length=64)
    started_at = models.DateTimeField()
    # Zero where it is not known (yet), which sorts it with the short ones.
    duration_seconds = models.DecimalField(max_digits=12, decimal_places=3, default=Decimal(0))
    records = models.BigIntegerField()
    cost = models.DecimalField(**MONEY_SUM)
    price = models.DecimalField(**MONEY_SUM)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(records__gte=0, duration_seconds__gte=0),
                name="call_price_not_negative",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["workspace", "price", "call"], name="calls_by_price"),
            models.Index(fields=["workspace", "duration_seconds", "call"], name="calls_by_length"),
            models.Index(fields=["workspace", "started_at", "call"], name="priced_calls_by_time"),
            models.Index(fields=["workspace", "agent", "started_at"], name="calls_of_agent"),
            models.Index(fields=["workspace", "provider", "status"], name="calls_of_provider"),
        ]

    def __str__(self) -> str:
        return f"{self.price} for {self.call_id}"


class CallPriceRollup(models.Model):
    """What the calls that started in one hour of the workspace's clock have cost."""

    workspace = models.ForeignKey(
        Workspace, on_delete=models.CASCADE, db_index=False, related_name="+"
    )
    local_date = models.DateField()
    local_hour = models.PositiveSmallIntegerField()
    price = models.DecimalField(**MONEY_SUM)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["workspace", "local_date", "local_hour"],
                name="one_price_of_calls_per_hour",
            ),
            models.CheckConstraint(
                condition=Q(local_hour__lt=24), name="price_of_calls_in_an_hour_of_a_day"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.price} on {self.local_date}"


class CallPriceProgress(models.Model):
    """Up to when calls and records are in the prices of calls: one row."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    # What was written before this is priced.
    up_to = models.DateTimeField()
    # When that was found out.
    as_of = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(id=1), name="one_progress_of_call_prices"),
            models.CheckConstraint(
                condition=Q(up_to__lte=F("as_of")), name="call_prices_are_not_ahead"
            ),
        ]

    def __str__(self) -> str:
        return f"prices of calls up to {self.up_to}"
