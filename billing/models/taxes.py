"""Taxes: where the issuer is registered, rates by country and day, and checks of tax numbers."""

import uuid
from decimal import Decimal
from typing import ClassVar

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import RangeOperators
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import F, Func, Q, Value
from django.utils import timezone as clock

from billing.models.fields import LineField
from billing.models.issuers import IssuingEntity
from billing.models.rate_cards import DateRange, TextRange
from billing.models.work import DurableWork
from billing.models.workspaces import Workspace

_COUNTRY = RegexValidator(r"\A[A-Z]{2}\Z", "Two capital letters, as DE (ISO 3166).")
# The settings' issuer has no row. Not Coalesce(): its parameter would be needed twice.
_WHOSE = Func(
    F("issuing_entity"),
    template="COALESCE(%(expressions)s::text, '')",
    output_field=models.TextField(),
)
TAX_CLASS = RegexValidator(r"\A[a-z][a-z_]{0,31}\Z", "a-z and _, a letter first.")


class TaxRegistration(models.Model):
    """A tax number of the issuer: where its customers are charged tax. Without one none is."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    issuing_entity = models.ForeignKey(
        IssuingEntity,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="tax_registrations",
        help_text="Whose it is. Empty: of the issuer whom the settings name.",
    )
    country = models.CharField(
        max_length=2, validators=[_COUNTRY], help_text="ISO 3166, as DE; EU for the one-stop shop."
    )
    region = LineField(
        max_length=100,
        blank=True,
        help_text="A state or region with a tax of its own; in the US needed, as TX or Texas.",
    )
    number = LineField(max_length=40, help_text="As invoices name it.")
    consumers_only = models.BooleanField(
        default=False,
        help_text="For customers who are no business, as the one-stop shop is.",
    )
    is_home = models.BooleanField(default=False, help_text="The issuer is established there.")
    starts_on = models.DateField()
    ends_on = models.DateField(null=True, blank=True, help_text="Exclusive. Empty: no end.")
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        ordering = ["country", "region", "starts_on"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(country__regex=r"^[A-Z]{2}$") & ~Q(number=""),
                name="tax_registration_has_a_country_and_a_number",
            ),
            models.CheckConstraint(
                condition=~Q(country="EU") | Q(consumers_only=True, is_home=False),
                name="one_stop_shop_is_for_consumers",
            ),
            models.CheckConstraint(
                condition=Q(ends_on__isnull=True) | Q(ends_on__gte=F("starts_on")),
                name="tax_registration_ends_after_its_start",
            ),
            models.CheckConstraint(
                condition=~Q(country="US") | Q(region__regex=r"^[A-Z]{2}$"),
                name="tax_registration_in_the_us_is_of_a_state",
            ),
            ExclusionConstraint(
                name="one_tax_registration_per_place_and_day",
                expressions=[
                    (TextRange(_WHOSE, "country", "region"), RangeOperators.OVERLAPS),
                    (DateRange("starts_on", "ends_on"), RangeOperators.OVERLAPS),
                ],
            ),
            ExclusionConstraint(
                name="one_home_of_the_issuer_per_day",
                expressions=[
                    (TextRange(_WHOSE), RangeOperators.OVERLAPS),
                    (DateRange("starts_on", "ends_on"), RangeOperators.OVERLAPS),
                ],
                condition=Q(is_home=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.country} {self.number}"


class TaxRate(models.Model):
    """A country's, or a region's, rate for a class of supplies from a day on."""

    country = models.CharField(max_length=2, validators=[_COUNTRY])
    region = LineField(max_length=100, blank=True, help_text="Empty: the whole country.")
    tax_class = models.CharField(max_length=32, default="standard", validators=[TAX_CLASS])
    name = LineField(max_length=32, default="VAT", help_text="As invoices call the tax.")
    percent = models.DecimalField(
        max_digits=7,
        decimal_places=4,
        validators=[MinValueValidator(Decimal(0)), MaxValueValidator(Decimal(100))],
    )
    starts_on = models.DateField()
    ends_on = models.DateField(null=True, blank=True, help_text="Exclusive. Empty: no end.")

    class Meta:
        ordering = ["country", "region", "tax_class", "starts_on"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(percent__gte=0, percent__lte=100), name="tax_rate_is_a_percentage"
            ),
            models.CheckConstraint(
                condition=Q(tax_class__regex=r"^[a-z][a-z_]*$") & ~Q(tax_class="exempt"),
                name="tax_rate_class_is_plain",
            ),
            models.CheckConstraint(
                condition=Q(ends_on__isnull=True) | Q(ends_on__gte=F("starts_on")),
                name="tax_rate_ends_after_its_start",
            ),
            ExclusionConstraint(
                name="one_tax_rate_per_place_class_and_day",
                expressions=[
                    (TextRange("country", "region", "tax_class"), RangeOperators.OVERLAPS),
                    (DateRange("starts_on", "ends_on"), RangeOperators.OVERLAPS),
                ],
            ),
        ]

    def __str__(self) -> str:
        place = f"{self.country} {self.region}".strip()
        return f"{place} {self.tax_class} {self.percent.normalize():f} %"


class TaxNumberCheck(DurableWork):
    """What the register of VAT numbers (VIES) says of a workspace's number.

    The last answer stays until there is another one: `valid` is None where there was none yet.
    """

    class Source(models.TextChoices):
        VIES = "vies", "VIES"
        HAND = "hand", "By hand"

    workspace = models.OneToOneField(
        Workspace, on_delete=models.CASCADE, primary_key=True, related_name="tax_number_check"
    )
    number = models.CharField(max_length=40)
    valid = models.BooleanField(null=True)
    checked_at = models.DateTimeField(null=True, blank=True)
    source = models.CharField(max_length=8, choices=Source, blank=True)
    reference = models.CharField(
        max_length=100, blank=True, help_text="By which the register knows the request."
    )
    registered_name = models.CharField(max_length=300, blank=True)
    registered_address = models.CharField(max_length=500, blank=True)

    class Meta(DurableWork.Meta):
        verbose_name = "check of a tax number"
        verbose_name_plural = "checks of tax numbers"
        constraints: ClassVar = [
            *DurableWork.Meta.constraints,
            models.CheckConstraint(
                condition=Q(valid__isnull=True, checked_at__isnull=True, source="")
                | Q(valid__isnull=False, checked_at__isnull=False, source__in=["vies", "hand"]),
                name="tax_number_check_has_an_answer_and_a_time",
            ),
            models.CheckConstraint(condition=~Q(number=Value("")), name="tax_number_is_there"),
        ]

    def __str__(self) -> str:
        return self.number

    def about(self) -> tuple[str, models.Model | None, Workspace | None]:
        return f"Tax number {self.number}", self.workspace, self.workspace

    @classmethod
    def with_subjects(cls) -> "models.QuerySet[TaxNumberCheck]":
        return cls._default_manager.select_related("workspace")
