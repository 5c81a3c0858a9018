"""Rate cards: named price lists, their versions, who uses them from when, and single overrides.

Dates are days of each workspace's own clock, so that one card changes for everybody at their own
midnight. A published version, its rates and an override never change; triggers hold it.
"""

import uuid
from typing import ClassVar

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateRangeField, RangeOperators
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Func, Q
from django.utils import timezone as clock

from billing import text as names
from billing.models.periods import UuidRange
from billing.models.tiers import SubscriptionTier
from billing.models.workspaces import Workspace
from billing.rating import Price, read_price

RESOURCE_TYPE = RegexValidator(
    rf"\A{names.RESOURCE_TYPE.pattern}\Z", "a-z, 0-9 and _, a letter first."
)


class TextRange(Func):
    """A one-point integer range out of the hash of texts, for equality in an exclusion."""

    # Not concat_ws(), which PostgreSQL does not call immutable.
    arg_joiner = " || chr(31) || "
    template = (
        "int8range(hashtextextended(%(expressions)s, 0),"
        " hashtextextended(%(expressions)s, 0), '[]')"
    )


class DateRange(Func):
    """`[starts_on, ends_on)`; without an end for ever."""

    function = "daterange"
    output_field = DateRangeField()


class RateCard(models.Model):
    """A named price list in one currency."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=100, unique=True)
    currency = models.CharField(max_length=3)
    description = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        ordering = ["name"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(currency__regex=r"^[A-Z]{3}$"), name="rate_card_currency_is_iso"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class RateCardVersion(models.Model):
    """What a card says from a day on. A draft may be changed; once published it is fixed."""

    class Status(models.TextChoices):
        DRAFT = "draft"
        PUBLISHED = "published"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    card = models.ForeignKey(RateCard, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    status = models.CharField(max_length=16, choices=Status, default=Status.DRAFT)
    effective_from = models.DateField(null=True, blank=True)
    published_at = models.DateTimeField(null=True, blank=True)
    # What was shown and confirmed when it was published: price, quantity, cost, amount.
    examples = models.JSONField(default=list)
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        ordering = ["card", "number"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["card", "number"], name="one_version_per_card_and_number"
            ),
            models.UniqueConstraint(
                fields=["card", "effective_from"],
                condition=Q(status="published"),
                name="one_published_version_per_card_and_day",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["draft", "published"]), name="version_status_is_known"
            ),
            models.CheckConstraint(
                condition=Q(status="draft", published_at__isnull=True)
                | Q(status="published", published_at__isnull=False, effective_from__isnull=False),
                name="only_a_published_version_has_been_published",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.card} v{self.number}"

    @property
    def is_draft(self) -> bool:
        return self.status == self.Status.DRAFT


class Match(models.Model):
    """What a price is for; an empty text means any. A provider or a model needs a type."""

    resource_type = models.CharField(max_length=64, blank=True, validators=[RESOURCE_TYPE])
    provider = models.CharField(max_length=64, blank=True)
    model = models.CharField(
        max_length=64, blank=True, help_text="Of speech or language, as the records name it."
    )
    price_json = models.JSONField("price")

    class Meta:
        abstract = True

    @property
    def price(self) -> Price:
        return read_price(self.price_json)

    @property
    def match(self) -> tuple[str, str, str]:
        return self.resource_type, self.provider, self.model

    @property
    def match_label(self) -> str:
        return " · ".join(part for part in self.match if part) or "any"


class Rate(Match):
    """One row of a version."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    version = models.ForeignKey(RateCardVersion, on_delete=models.CASCADE, related_name="rates")
    min_margin_percentage = models.DecimalField(
        max_digits=7, decimal_places=4, null=True, blank=True
    )

    class Meta:
        ordering = ["version", "resource_type", "provider", "model"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["version", "resource_type", "provider", "model"],
                name="one_rate_per_version_and_match",
            ),
            models.CheckConstraint(
                condition=~Q(resource_type="") | Q(provider="", model=""),
                name="rate_for_a_provider_or_model_has_a_type",
            ),
        ]

    def __str__(self) -> str:
        return self.match_label


class RateCardAssignment(models.Model):
    """Who uses a card: a workspace, or every workspace of a tier that pays in its currency."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    card = models.ForeignKey(RateCard, on_delete=models.PROTECT, related_name="assignments")
    currency = models.CharField(max_length=3, editable=False)
    workspace = models.ForeignKey(
        Workspace,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="rate_card_assignments",
    )
    tier = models.ForeignKey(
        SubscriptionTier,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="rate_card_assignments",
    )
    starts_on = models.DateField()
    ends_on = models.DateField(null=True, blank=True, help_text="Exclusive. Empty: no end.")
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        ordering = ["-starts_on", "id"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(workspace__isnull=True) ^ Q(tier__isnull=True),
                name="assignment_is_to_a_workspace_or_a_tier",
            ),
            models.CheckConstraint(
                condition=Q(ends_on__isnull=True) | Q(ends_on__gte=F("starts_on")),
                name="assignment_ends_after_its_start",
            ),
            ExclusionConstraint(
                name="one_rate_card_per_workspace_and_day",
                expressions=[
                    (UuidRange("workspace_id"), RangeOperators.OVERLAPS),
                    (DateRange("starts_on", "ends_on"), RangeOperators.OVERLAPS),
                ],
                condition=Q(workspace__isnull=False),
            ),
            ExclusionConstraint(
                name="one_rate_card_per_tier_currency_and_day",
                expressions=[
                    (
                        Func("tier_id", "tier_id", template="int8range(%(expressions)s, '[]')"),
                        RangeOperators.OVERLAPS,
                    ),
                    (TextRange("currency"), RangeOperators.OVERLAPS),
                    (DateRange("starts_on", "ends_on"), RangeOperators.OVERLAPS),
                ],
                condition=Q(tier__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.card} for {self.workspace or self.tier}"


class PriceOverride(Match):
    """One workspace's own price for a match, from a day to a day, with the reason for it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(
        Workspace, on_delete=models.PROTECT, related_name="price_overrides"
    )
    min_margin_percentage = models.DecimalField(
        max_digits=7, decimal_places=4, null=True, blank=True
    )
    starts_on = models.DateField()
    ends_on = models.DateField(null=True, blank=True, help_text="Exclusive. Empty: no end.")
    reason = models.CharField(max_length=200)
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        ordering = ["workspace", "resource_type", "provider", "model", "-starts_on"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=~Q(resource_type="") | Q(provider="", model=""),
                name="override_for_a_provider_or_model_has_a_type",
            ),
            models.CheckConstraint(
                condition=Q(ends_on__isnull=True) | Q(ends_on__gte=F("starts_on")),
                name="override_ends_after_its_start",
            ),
            ExclusionConstraint(
                name="one_override_per_workspace_match_and_day",
                expressions=[
                    (UuidRange("workspace_id"), RangeOperators.OVERLAPS),
                    (TextRange("resource_type", "provider", "model"), RangeOperators.OVERLAPS),
                    (DateRange("starts_on", "ends_on"), RangeOperators.OVERLAPS),
                ],
            ),
        ]

    def __str__(self) -> str:
        return f"{self.match_label} of {self.workspace}"


class PriceRevision(models.Model):
    """One row whose version changes whenever any price may have: triggers touch it.

    What was compiled from cards holds as long as this row does (`usage.services.ingest`).
    """

    id = models.PositiveSmallIntegerField(primary_key=True)
    changes = models.BigIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(id=1), name="one_price_revision"),
        ]

    def __str__(self) -> str:
        return f"Prices after {self.changes} changes"
