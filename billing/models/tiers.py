"""Subscription tiers with their fees, and platform-wide settings."""

from decimal import Decimal
from typing import Any

from django.core.validators import MinValueValidator
from django.db import models

MONEY: dict[str, Any] = {"max_digits": 28, "decimal_places": 10}
# Sums of ten billion records that each fill their column.
MONEY_SUM: dict[str, Any] = {"max_digits": 38, "decimal_places": 10}


class Proration(models.TextChoices):
    """Whether a fee is charged whole for what holds at a month's end, or by days."""

    NONE = "none"
    DAILY = "daily"


class SubscriptionTier(models.Model):
    """A plan by the month or the year; its fee per currency is in `TierPrice`."""

    class Interval(models.TextChoices):
        MONTH = "month"
        YEAR = "year"

    name = models.SlugField(max_length=40, unique=True)
    description = models.CharField(max_length=200, blank=True)
    interval = models.CharField(
        max_length=8,
        choices=Interval,
        default=Interval.MONTH,
        help_text="What the fee is for. A year is charged in the month in which it begins. It"
        " stays as it is once a workspace is on the tier.",
    )
    proration = models.CharField(
        max_length=8,
        choices=Proration,
        default=Proration.NONE,
        help_text="Of a monthly fee, when a workspace begins or changes its tier inside a month."
        " None: the whole fee where the tier holds at the month's end. Daily: for its days.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(interval__in=["month", "year"]), name="tier_interval_is_known"
            ),
            models.CheckConstraint(
                condition=models.Q(proration__in=["none", "daily"]), name="tier_proration_is_known"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class TierPrice(models.Model):
    tier = models.ForeignKey(SubscriptionTier, on_delete=models.CASCADE, related_name="prices")
    currency = models.CharField(max_length=3)
    fee = models.DecimalField(
        max_digits=14, decimal_places=3, validators=[MinValueValidator(Decimal(0))]
    )

    class Meta:
        ordering = ["tier", "currency"]
        constraints = [
            models.UniqueConstraint(
                fields=["tier", "currency"], name="one_price_per_tier_and_currency"
            ),
            models.CheckConstraint(condition=models.Q(fee__gte=0), name="tier_fee_not_negative"),
            models.CheckConstraint(
                condition=models.Q(currency__regex=r"^[A-Z]{3}$"), name="tier_currency_is_iso"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.tier} {self.fee.normalize():f} {self.currency}"


class PlatformSetting(models.Model):
    """One number that holds for every workspace that does not override it."""

    MARKUP = "pricing_markup_percentage"

    # 1: owners see what providers charge and the markup; 0: prices only.
    OWNERS_SEE_COST = "owners_see_cost"

    name = models.CharField(
        max_length=64,
        primary_key=True,
        choices=[(MARKUP, "Pricing markup, percent"), (OWNERS_SEE_COST, "What owners see")],
    )
    value = models.DecimalField(
        max_digits=7, decimal_places=4, validators=[MinValueValidator(Decimal(0))]
    )
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(name="pricing_markup_percentage")
                | models.Q(name="owners_see_cost", value__in=[0, 1]),
                name="platform_setting_is_known",
            ),
            models.CheckConstraint(
                condition=models.Q(value__gte=0), name="platform_setting_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} = {self.value.normalize():f}"
