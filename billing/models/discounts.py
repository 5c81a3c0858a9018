"""Discounts of a workspace, and the coupons that give them. Rows are fixed, by triggers."""

import uuid
from decimal import Decimal
from typing import ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import F, Q
from django.utils import timezone as clock

from billing.models.fields import LineField
from billing.models.terms import AGREED, POSITIVE
from billing.models.workspaces import Workspace


class AppliesTo(models.TextChoices):
    USAGE = "usage"
    FEES = "fees"
    USAGE_AND_FEES = "usage_and_fees", "Usage and fees"


class Reduction(models.Model):
    """A percentage or an amount off usage, fees or both."""

    name = LineField(max_length=100, help_text="As the invoice calls it: Launch offer.")
    percentage = models.DecimalField(
        max_digits=7,
        decimal_places=4,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal("0.0001")), MaxValueValidator(Decimal(100))],
        help_text="Either this or an amount.",
    )
    amount = models.DecimalField(
        **AGREED, null=True, blank=True, validators=POSITIVE, help_text="In each month."
    )
    applies_to = models.CharField(
        max_length=16, choices=AppliesTo, default=AppliesTo.USAGE_AND_FEES
    )

    class Meta:
        abstract = True

    # Its inheritors' constraint: exactly one of the two, within its bounds.
    IS_ONE_OF_TWO: ClassVar = Q(percentage__gt=0, percentage__lte=100, amount__isnull=True) | Q(
        percentage__isnull=True, amount__gt=0
    )


class Coupon(Reduction):
    """A code that gives whoever redeems it a discount. Only its limits change."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    code = models.CharField(
        max_length=40,
        unique=True,
        validators=[
            RegexValidator(r"\A[A-Z0-9][A-Z0-9_-]*\Z", "Capital letters, digits, _ and -.")
        ],
    )
    currency = models.CharField(max_length=3, blank=True, help_text="Of an amount.")
    periods = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(1200)],
        help_text="For so many months from the one it is redeemed in. Empty: for ever.",
    )
    max_redemptions = models.PositiveIntegerField(
        null=True, blank=True, help_text="Empty: any number."
    )
    redemptions = models.PositiveIntegerField(default=0, editable=False)
    expires_at = models.DateTimeField(
        null=True, blank=True, help_text="It can be redeemed until then. Empty: always."
    )
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        ordering = ["code"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Reduction.IS_ONE_OF_TWO, name="coupon_is_a_percentage_or_an_amount"
            ),
            models.CheckConstraint(
                condition=Q(percentage__isnull=False, currency="")
                | Q(amount__isnull=False, currency__regex=r"^[A-Z]{3}$"),
                name="coupon_of_an_amount_has_a_currency",
            ),
            models.CheckConstraint(
                condition=Q(applies_to__in=["usage", "fees", "usage_and_fees"]),
                name="coupon_applies_to_something_known",
            ),
            models.CheckConstraint(
                condition=Q(code__regex=r"^[A-Z0-9][A-Z0-9_-]*$"), name="coupon_code_is_plain"
            ),
            models.CheckConstraint(
                condition=Q(periods__isnull=True) | Q(periods__gte=1),
                name="coupon_holds_for_a_period",
            ),
            models.CheckConstraint(
                condition=Q(max_redemptions__isnull=True)
                | Q(redemptions__lte=F("max_redemptions")),
                name="coupon_is_redeemed_so_often_at_most",
            ),
        ]

    def __str__(self) -> str:
        return self.code


class Discount(Reduction):
    """Taken off each of some months of a workspace; by a coupon, or agreed by itself."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="discounts")
    coupon = models.ForeignKey(
        Coupon, on_delete=models.PROTECT, null=True, blank=True, related_name="discounts"
    )
    starts_on = models.DateField(help_text="The first day of a month.")
    ends_on = models.DateField(
        null=True, blank=True, help_text="The first day of a month, exclusive. Empty: no end."
    )
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        ordering = ["workspace", "created_at", "id"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Reduction.IS_ONE_OF_TWO, name="discount_is_a_percentage_or_an_amount"
            ),
            models.CheckConstraint(
                condition=Q(applies_to__in=["usage", "fees", "usage_and_fees"]),
                name="discount_applies_to_something_known",
            ),
            models.CheckConstraint(
                condition=Q(starts_on__day=1) & (Q(ends_on__isnull=True) | Q(ends_on__day=1)),
                name="discount_is_of_whole_months",
            ),
            models.CheckConstraint(
                condition=Q(ends_on__isnull=True) | Q(ends_on__gte=F("starts_on")),
                name="discount_ends_after_its_start",
            ),
            models.UniqueConstraint(
                fields=["workspace", "coupon"], name="a_workspace_redeems_a_coupon_once"
            ),
        ]

    def __str__(self) -> str:
        return self.name
