"""What a workspace has agreed to beside its prices: tiers by day, add-ons, commitments.

Rows are fixed but for their end (a trigger holds it), so that a month that was closed keeps the
terms it was closed with. Days are those of the workspace's calendar.
"""

import uuid
from decimal import Decimal
from typing import Any, ClassVar

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import RangeOperators
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils import timezone as clock

from billing.models.fields import LineField
from billing.models.periods import BillingPeriod, UuidRange
from billing.models.rate_cards import DateRange, TextRange
from billing.models.tiers import MONEY_SUM, Proration, SubscriptionTier
from billing.models.workspaces import Workspace

# Amounts that are agreed upon. Services hold commitments and amounts off to steps of what can be
# charged; a price of one may be finer, since it is times its quantity that it is charged.
AGREED: dict[str, Any] = {"max_digits": 14, "decimal_places": 3}
POSITIVE = [MinValueValidator(Decimal("0.001"))]


class TierChange(models.Model):
    """The tier a workspace has been on since a day; the first row begins with the workspace."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="tier_changes")
    tier = models.ForeignKey(SubscriptionTier, on_delete=models.PROTECT, related_name="+")
    on = models.DateField()

    class Meta:
        ordering = ["workspace", "on"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["workspace", "on"], name="one_tier_per_workspace_and_day"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.tier} from {self.on}"


class AddOn(models.Model):
    """Something with a fee of its own by the month, as phone numbers.

    Of the same name one follows another: three numbers, and from some day on five.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="add_ons")
    name = LineField(max_length=100, help_text="As the invoice calls it: Phone numbers.")
    quantity = models.DecimalField(max_digits=18, decimal_places=6, validators=POSITIVE)
    unit_price = models.DecimalField(
        **AGREED, validators=[MinValueValidator(Decimal(0))], help_text="Of one, a month."
    )
    proration = models.CharField(max_length=8, choices=Proration, default=Proration.NONE)
    starts_on = models.DateField()
    ends_on = models.DateField(null=True, blank=True, help_text="Exclusive. Empty: no end.")
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        verbose_name = "add-on"
        ordering = ["workspace", "name", "starts_on"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(quantity__gt=0, unit_price__gte=0),
                name="add_on_has_a_quantity_and_a_price",
            ),
            models.CheckConstraint(
                condition=Q(proration__in=["none", "daily"]), name="add_on_proration_is_known"
            ),
            models.CheckConstraint(
                condition=Q(ends_on__isnull=True) | Q(ends_on__gte=F("starts_on")),
                name="add_on_ends_after_its_start",
            ),
            ExclusionConstraint(
                name="one_add_on_per_workspace_name_and_day",
                expressions=[
                    (UuidRange("workspace_id"), RangeOperators.OVERLAPS),
                    (TextRange("name"), RangeOperators.OVERLAPS),
                    (DateRange("starts_on", "ends_on"), RangeOperators.OVERLAPS),
                ],
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity.normalize():f} × {self.name}"


class Commitment(models.Model):
    """What a workspace spends at least in each of some months; the rest is charged as shortfall."""

    class Covers(models.TextChoices):
        USAGE = "usage"
        USAGE_AND_FEES = "usage_and_fees", "Usage and fees"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="commitments")
    amount = models.DecimalField(
        **AGREED, validators=POSITIVE, help_text="In each month, in the workspace's currency."
    )
    covers = models.CharField(max_length=16, choices=Covers, default=Covers.USAGE)
    starts_on = models.DateField(help_text="The first day of a month.")
    ends_on = models.DateField(
        null=True, blank=True, help_text="The first day of a month, exclusive. Empty: no end."
    )
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        ordering = ["workspace", "-starts_on"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="commitment_is_positive"),
            models.CheckConstraint(
                condition=Q(covers__in=["usage", "usage_and_fees"]),
                name="commitment_covers_something_known",
            ),
            models.CheckConstraint(
                condition=Q(starts_on__day=1) & (Q(ends_on__isnull=True) | Q(ends_on__day=1)),
                name="commitment_is_of_whole_months",
            ),
            models.CheckConstraint(
                condition=Q(ends_on__isnull=True) | Q(ends_on__gte=F("starts_on")),
                name="commitment_ends_after_its_start",
            ),
            ExclusionConstraint(
                name="one_commitment_per_workspace_and_day",
                expressions=[
                    (UuidRange("workspace_id"), RangeOperators.OVERLAPS),
                    (DateRange("starts_on", "ends_on"), RangeOperators.OVERLAPS),
                ],
            ),
        ]

    def __str__(self) -> str:
        return f"{self.amount.normalize():f} a month"


class PeriodCharge(models.Model):
    """What a closed period was charged besides its usage, as it was worked out (never changed).

    See `billing.rating.charges.Charge` for how `amount` follows from the other columns.
    """

    class Kind(models.TextChoices):
        SUBSCRIPTION = "subscription"
        ADD_ON = "add_on", "Add-on"
        DISCOUNT = "discount"
        COMMITMENT = "commitment", "Minimum commitment"
        MANUAL = "manual", "By hand"

    period = models.ForeignKey(
        BillingPeriod, on_delete=models.CASCADE, related_name="frozen_charges", db_index=False
    )
    position = models.PositiveSmallIntegerField()
    kind = models.CharField(max_length=16, choices=Kind)
    description = models.CharField(max_length=200)
    quantity = models.DecimalField(max_digits=18, decimal_places=6)
    unit_price = models.DecimalField(**AGREED)
    first_day = models.DateField(null=True)
    last_day = models.DateField(null=True)
    days = models.PositiveSmallIntegerField()
    of_days = models.PositiveSmallIntegerField()
    base = models.DecimalField(**MONEY_SUM)
    percentage = models.DecimalField(max_digits=7, decimal_places=4, null=True)
    amount = models.DecimalField(**MONEY_SUM)
    source_id = models.CharField(max_length=36)

    class Meta:
        ordering = ["period", "position"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["period", "position"], name="one_charge_per_period_and_position"
            ),
            models.CheckConstraint(
                condition=Q(kind="discount", amount__lt=0)
                | Q(kind__in=["subscription", "add_on", "commitment"], amount__gt=0)
                | (Q(kind="manual") & ~Q(amount=0)),
                name="charge_has_its_sign",
            ),
            models.CheckConstraint(
                condition=Q(days__lte=F("of_days"), of_days__gt=0), name="charge_is_of_its_days"
            ),
            models.UniqueConstraint(
                fields=["source_id"],
                condition=Q(kind="manual"),
                name="manual_item_is_charged_once",
            ),
        ]

    def __str__(self) -> str:
        return self.description
