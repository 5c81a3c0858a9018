"""What providers charge the platform: the cost card, and exchange rates of its currencies.

Days are those of each workspace's own clock, as those of prices are. Of a cost only the end
changes; a trigger holds it.
"""

import uuid
from typing import ClassVar

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import RangeOperators
from django.db import models
from django.db.models import F, Q
from django.utils import timezone as clock

from billing.models.periods import UuidRange
from billing.models.rate_cards import RESOURCE_TYPE, DateRange, TextRange
from billing.models.workspaces import Workspace

_SAME_USE_AND_DAY = [
    (TextRange("provider", "resource_type", "model"), RangeOperators.OVERLAPS),
    (DateRange("starts_on", "ends_on"), RangeOperators.OVERLAPS),
]


class ProviderCost(models.Model):
    """One row of the cost card: what a unit costs from a day on, for all or for one workspace.

    An empty resource type or model means any.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(
        Workspace,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="provider_costs",
        help_text="Empty: every workspace.",
    )
    provider = models.CharField(max_length=64, help_text="As twilio.")
    resource_type = models.CharField(
        max_length=64,
        blank=True,
        validators=[RESOURCE_TYPE],
        help_text="As call_minutes. Empty: any.",
    )
    model = models.CharField(max_length=64, blank=True, help_text="Empty: any.")
    currency = models.CharField(max_length=3)
    unit_cost = models.DecimalField(max_digits=20, decimal_places=10)
    starts_on = models.DateField("from")
    ends_on = models.DateField("until", null=True, blank=True, help_text="Exclusive.")
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        verbose_name = "provider cost"
        ordering = ["provider", "resource_type", "model", "starts_on", "id"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(unit_cost__gte=0), name="provider_cost_not_negative"
            ),
            models.CheckConstraint(condition=~Q(provider=""), name="cost_is_of_a_provider"),
            models.CheckConstraint(
                condition=~Q(resource_type="") | Q(model=""),
                name="cost_of_a_model_has_a_type",
            ),
            models.CheckConstraint(
                condition=Q(currency__regex=r"^[A-Z]{3}$"), name="cost_currency_is_iso"
            ),
            models.CheckConstraint(
                condition=Q(ends_on__isnull=True) | Q(ends_on__gte=F("starts_on")),
                name="cost_ends_after_its_start",
            ),
            ExclusionConstraint(
                name="one_cost_per_use_and_day",
                expressions=_SAME_USE_AND_DAY,
                condition=Q(workspace__isnull=True),
            ),
            ExclusionConstraint(
                name="one_cost_per_workspace_use_and_day",
                expressions=[
                    (UuidRange("workspace_id"), RangeOperators.OVERLAPS),
                    *_SAME_USE_AND_DAY,
                ],
                condition=Q(workspace__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.use_label}, from {self.starts_on}"

    @property
    def use_label(self) -> str:
        return " · ".join(part for part in (self.provider, self.resource_type, self.model) if part)


class ExchangeRate(models.Model):
    """What one unit of a provider's currency is worth in a workspace's, on a day."""

    id = models.BigAutoField(primary_key=True)
    from_currency = models.CharField("from", max_length=3)
    to_currency = models.CharField("to", max_length=3)
    day = models.DateField()
    rate = models.DecimalField(max_digits=20, decimal_places=12)
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        ordering = ["-day", "from_currency", "to_currency"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["from_currency", "to_currency", "day"],
                name="one_exchange_rate_per_day",
            ),
            models.CheckConstraint(condition=Q(rate__gt=0), name="exchange_rate_is_positive"),
            models.CheckConstraint(
                condition=~Q(from_currency=F("to_currency")),
                name="exchange_rate_is_of_two_currencies",
            ),
            models.CheckConstraint(
                condition=Q(from_currency__regex=r"^[A-Z]{3}$", to_currency__regex=r"^[A-Z]{3}$"),
                name="exchange_rate_currencies_are_iso",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.from_currency} to {self.to_currency} on {self.day}"
