"""Billing periods and their running counters."""

import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any, ClassVar, Self

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeOperators
from django.db import models
from django.db.models import F, Func, Q
from django.utils import timezone as clock

from billing.formats import month_name
from billing.models.issuers import IssuingEntity
from billing.models.tiers import MONEY_SUM, SubscriptionTier
from billing.models.workspaces import Workspace

# Each period counts in this many rows, so that as many concurrent batches do not queue.
COUNTER_SLOTS = 8


class UuidRange(Func):
    """A one-point integer range out of a UUID's hash.

    GiST has no operator class for uuid equality without the btree_gist extension, which not
    every PostgreSQL brings; a range of one 64-bit hash overlaps itself only.
    """

    template = (
        "int8range(uuid_hash_extended(%(expressions)s, 0),"
        " uuid_hash_extended(%(expressions)s, 0), '[]')"
    )


class PeriodQuerySet(models.QuerySet["BillingPeriod"]):
    """Periods that may be completed with what the database alone does not know, once fetched."""

    _complete: Callable[[list["BillingPeriod"]], None] | None = None

    def completed_by(self, complete: Callable[[list["BillingPeriod"]], None]) -> Self:
        """Have `complete` called with all periods of each fetch, but for `values`, `iterator`."""
        completed = self.all()
        completed._complete = complete
        return completed

    def _clone(self) -> Self:
        clone: Self = super()._clone()  # type: ignore[misc]  # the stubs leave it out
        clone._complete = self._complete
        return clone

    def _fetch_all(self) -> None:
        is_new = self._result_cache is None
        super()._fetch_all()
        found: list[Any] | None = self._result_cache
        if is_new and found and self._complete and isinstance(found[0], BillingPeriod):
            self._complete(found)


class BillingPeriod(models.Model):
    """One calendar month of a workspace's timezone, `[period_start, period_end)` in UTC."""

    class Status(models.TextChoices):
        CURRENT = "current"
        FINALIZED = "finalized"
        PAID = "paid"
        OVERDUE = "overdue"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="periods")
    tier = models.ForeignKey(
        SubscriptionTier,
        on_delete=models.PROTECT,
        help_text="The tier whose fee this period is billed.",
    )
    issuing_entity = models.ForeignKey(
        IssuingEntity,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        help_text="Who invoices it. Empty: as the settings say.",
    )
    period_start = models.DateTimeField()
    period_end = models.DateTimeField(help_text="Exclusive.")
    # Frozen when the period is finalized; a current period's are read from its counters.
    subtotal = models.DecimalField(**MONEY_SUM, default=Decimal(0))
    subscription_fee = models.DecimalField(**MONEY_SUM, default=Decimal(0))
    add_on_fees = models.DecimalField(**MONEY_SUM, default=Decimal(0), db_default=Decimal(0))
    discounts = models.DecimalField(
        **MONEY_SUM, default=Decimal(0), db_default=Decimal(0), help_text="Zero or negative."
    )
    commitment_shortfall = models.DecimalField(
        **MONEY_SUM,
        default=Decimal(0),
        db_default=Decimal(0),
        help_text="What was missing of the minimum commitment.",
    )
    adjustment = models.DecimalField(
        **MONEY_SUM,
        default=Decimal(0),
        db_default=Decimal(0),
        help_text="How much of the subtotal tiers, packages and included units added to the"
        " records' list prices; mostly negative.",
    )
    manual_items = models.DecimalField(
        **MONEY_SUM,
        default=Decimal(0),
        db_default=Decimal(0),
        help_text="Charges less credits and discounts that were added by hand.",
    )
    credit_brought_forward = models.DecimalField(
        **MONEY_SUM,
        default=Decimal(0),
        help_text="Zero or negative: what the last period owed back.",
    )
    reversals_credited = models.DecimalField(
        **MONEY_SUM,
        default=Decimal(0),
        db_default=Decimal(0),
        help_text="What of its late reversals credit notes gave back for the months they are of:"
        " it is not taken off this one.",
    )
    total_amount = models.DecimalField(**MONEY_SUM, default=Decimal(0))
    status = models.CharField(max_length=16, choices=Status, default=Status.CURRENT)
    stripe_invoice_id = models.CharField(max_length=255, null=True, blank=True, unique=True)
    finalized_at = models.DateTimeField(null=True, blank=True)
    paid_at = models.DateTimeField(null=True, blank=True)
    # Why a close failed. The schedule leaves such a period alone until it is retried.
    close_error = models.TextField(blank=True)
    close_failed_at = models.DateTimeField(null=True, blank=True)
    # Whether a record's price may depend on the whole period, so that its net is not the sum of its
    # records. Set before the first such record is written; never taken back.
    has_meters = models.BooleanField(default=False, db_default=False, editable=False)
    created_at = models.DateTimeField(default=clock.now, editable=False)

    objects = PeriodQuerySet.as_manager()

    class Meta:
        ordering = ["-period_start", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["workspace", "period_start"], name="one_period_per_workspace_and_start"
            ),
            models.CheckConstraint(
                condition=Q(period_end__gt=F("period_start")), name="period_ends_after_its_start"
            ),
            models.CheckConstraint(
                condition=Q(status__in=["current", "finalized", "paid", "overdue"]),
                name="period_status_is_known",
            ),
            models.CheckConstraint(
                condition=Q(status="current", finalized_at__isnull=True)
                | (~Q(status="current") & Q(finalized_at__isnull=False)),
                name="only_a_closed_period_has_been_finalized",
            ),
            models.CheckConstraint(
                condition=Q(status="paid", paid_at__isnull=False)
                | (~Q(status="paid") & Q(paid_at__isnull=True)),
                name="only_a_paid_period_has_been_paid",
            ),
            models.CheckConstraint(
                condition=Q(
                    total_amount=F("subtotal")
                    + F("subscription_fee")
                    + F("add_on_fees")
                    + F("discounts")
                    + F("commitment_shortfall")
                    + F("manual_items")
                    + F("credit_brought_forward")
                    + F("reversals_credited")
                )
                # What is given back while it runs counts when it closes.
                | Q(status="current", total_amount=0),
                name="period_total_is_its_parts",
            ),
            models.CheckConstraint(
                condition=Q(adjustment=0) | Q(has_meters=True),
                name="only_a_period_with_meters_is_adjusted",
            ),
            models.CheckConstraint(
                condition=Q(
                    subscription_fee__gte=0,
                    add_on_fees__gte=0,
                    discounts__lte=0,
                    commitment_shortfall__gte=0,
                    credit_brought_forward__lte=0,
                    reversals_credited__gte=0,
                ),
                name="period_fees_and_credits_have_their_sign",
            ),
            ExclusionConstraint(
                name="periods_of_a_workspace_do_not_overlap",
                expressions=[
                    (UuidRange("workspace_id"), RangeOperators.OVERLAPS),
                    (
                        Func(
                            "period_start",
                            "period_end",
                            function="tstzrange",
                            output_field=DateTimeRangeField(),
                        ),
                        RangeOperators.OVERLAPS,
                    ),
                ],
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["period_end"], condition=Q(status="current"), name="periods_to_close"
            ),
            models.Index(fields=["workspace", "period_end"], name="periods_of_workspace"),
            models.Index(fields=["-period_start", "id"], name="periods_by_time"),
            # Of the month that ended last: its progress, and when the last of it was closed.
            models.Index(fields=["period_end"], name="periods_by_end"),
            models.Index(fields=["-finalized_at"], name="periods_by_close"),
            models.Index(
                fields=["workspace", "period_start"],
                condition=Q(status="current"),
                name="open_periods_of_workspace",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.label} of {self.workspace}"

    @property
    def label(self) -> str:
        """The month it covers, as in "October 2026"."""
        return month_name(self.period_start.astimezone(self.workspace.zone).date())

    @property
    def has_fee(self) -> bool:
        """A month that was over before its workspace was made is billed its usage alone."""
        return self.period_end > self.workspace.created_at

    @property
    def is_current(self) -> bool:
        return self.status == self.Status.CURRENT


class PeriodCounter(models.Model):
    """One slot of a period's running totals.

    Ingest adds to a slot only `WHERE is_open`; the close turns every slot's flag, which waits for
    whoever holds one. After that no record can enter, and none that entered is missing.
    """

    period = models.ForeignKey(
        BillingPeriod, on_delete=models.CASCADE, related_name="counters", db_index=False
    )
    slot = models.PositiveSmallIntegerField()
    is_open = models.BooleanField(default=True)
    records = models.BigIntegerField(default=0)
    total_cost = models.DecimalField(**MONEY_SUM, default=Decimal(0))
    final_cost = models.DecimalField(**MONEY_SUM, default=Decimal(0))
    # Usage enters without a look at the workspace's limit while `final_cost` stays below this and
    # the workspace's settings are in this version (`xmin`). Over all slots it adds up to no more
    # than the next amount at which something has to happen (ADR 11).
    checked_up_to = models.DecimalField(**MONEY_SUM, null=True, editable=False)
    checked_terms = models.BigIntegerField(null=True, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["period", "slot"], name="one_counter_per_slot"),
            models.CheckConstraint(condition=Q(slot__lt=COUNTER_SLOTS), name="counter_slot_exists"),
        ]

    def __str__(self) -> str:
        return f"Slot {self.slot} of {self.period_id}"
