"""Charges, credits and discounts that a person adds to a workspace's bill.

An item is asked for, approved by a second person where its amount calls for one, and billed once:
with the close of its period, or on an invoice of its own between two closes.
"""

import uuid
from decimal import Decimal
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone as clock

from billing.models.fields import LineField
from billing.models.periods import BillingPeriod
from billing.models.terms import AGREED, POSITIVE
from billing.models.workspaces import Workspace
from billing.rating.taxes import STANDARD


class ManualItem(models.Model):
    """One line by hand. `net` is positive; its `kind` says whether it is added or taken off."""

    class Kind(models.TextChoices):
        CHARGE = "charge"
        CREDIT = "credit"
        DISCOUNT = "discount"

    class Status(models.TextChoices):
        WAITING = "waiting", "Waits for approval"
        APPROVED = "approved"
        BILLED = "billed"
        CANCELLED = "cancelled"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="manual_items")
    kind = models.CharField(max_length=8, choices=Kind)
    description = LineField(max_length=200, help_text="As the invoice says it: Set-up fee.")
    net = models.DecimalField(
        **AGREED,
        validators=POSITIVE,
        help_text="In the workspace's currency and prices: before tax, unless its prices include"
        " tax. Credits and discounts are taken off.",
    )
    tax_class = models.CharField(
        max_length=32,
        default=STANDARD,
        help_text="What it is to the tax office: standard, reduced, exempt, ...",
    )
    month = models.DateField(
        null=True,
        blank=True,
        help_text="The first day of the month it is billed with, or the next that closes."
        " Empty: the next one.",
    )
    one_off_invoice_id = models.UUIDField(
        null=True,
        blank=True,
        editable=False,
        help_text="The invoice of its own that it is billed on, once all its items are approved.",
    )
    corrects_invoice_id = models.UUIDField(
        null=True,
        blank=True,
        editable=False,
        help_text="The invoice on which it was missing; its own invoice is a correction of that.",
    )
    reason = models.CharField(max_length=500, help_text="Why; for colleagues and auditors.")
    status = models.CharField(max_length=12, choices=Status, default=Status.WAITING)
    period = models.ForeignKey(
        BillingPeriod,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="manual_items_billed",
        help_text="The period it was billed with.",
    )
    asked_by = models.CharField(max_length=254)
    approved_by = models.CharField(max_length=254, blank=True)
    approved_at = models.DateTimeField(null=True, blank=True)
    billed_at = models.DateTimeField(null=True, blank=True)
    cancelled_by = models.CharField(max_length=254, blank=True)
    cancelled_at = models.DateTimeField(null=True, blank=True)
    cancel_reason = models.CharField(max_length=500, blank=True)
    # By which the same request again is known: whose key, what was asked for with it.
    idempotency_key = models.CharField(max_length=128, blank=True, editable=False)
    asked_for = models.CharField(max_length=64, blank=True, editable=False)
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        verbose_name = "line by hand"
        verbose_name_plural = "lines by hand"
        ordering = ["-created_at", "id"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(kind__in=["charge", "credit", "discount"]),
                name="manual_item_kind_is_known",
            ),
            models.CheckConstraint(condition=Q(net__gt=0), name="manual_item_is_positive"),
            models.CheckConstraint(
                condition=Q(corrects_invoice_id__isnull=True) | Q(one_off_invoice_id__isnull=False),
                name="only_an_invoice_of_its_own_corrects_another",
            ),
            models.CheckConstraint(
                condition=~Q(description="") & ~Q(reason="") & ~Q(asked_by=""),
                name="manual_item_says_what_why_and_who",
            ),
            models.CheckConstraint(
                condition=Q(month__isnull=True) | Q(month__day=1, one_off_invoice_id__isnull=True),
                name="manual_item_is_of_a_month_or_one_off",
            ),
            models.CheckConstraint(
                condition=Q(status="waiting", approved_at__isnull=True)
                | Q(status="cancelled")
                | Q(status__in=["approved", "billed"], approved_at__isnull=False),
                name="only_an_approved_manual_item_is_billed",
            ),
            models.CheckConstraint(
                condition=(Q(approved_at__isnull=True) & Q(approved_by=""))
                | (Q(approved_at__isnull=False) & ~Q(approved_by="")),
                name="manual_item_is_approved_by_somebody",
            ),
            models.CheckConstraint(
                condition=Q(status="cancelled", cancelled_at__isnull=False)
                & ~Q(cancelled_by="")
                & ~Q(cancel_reason="")
                | ~Q(status="cancelled") & Q(cancelled_at__isnull=True),
                name="only_a_cancelled_manual_item_was_cancelled",
            ),
            models.CheckConstraint(
                condition=Q(status="billed", billed_at__isnull=False, period__isnull=False)
                & Q(one_off_invoice_id__isnull=True)
                | Q(status="billed", billed_at__isnull=False, period__isnull=True)
                & Q(one_off_invoice_id__isnull=False)
                | ~Q(status="billed") & Q(billed_at__isnull=True, period__isnull=True),
                name="manual_item_is_billed_in_one_place",
            ),
            models.UniqueConstraint(
                fields=["workspace", "idempotency_key"],
                condition=~Q(idempotency_key="") & Q(one_off_invoice_id__isnull=True),
                name="one_manual_item_per_idempotency_key",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["workspace", "created_at"],
                condition=Q(status__in=["waiting", "approved"]),
                name="manual_items_to_bill",
            ),
            models.Index(
                fields=["one_off_invoice_id"],
                condition=Q(one_off_invoice_id__isnull=False),
                name="manual_items_of_one_off",
            ),
            models.Index(fields=["workspace", "-created_at", "-id"], name="manual_items_by_time"),
        ]

    def __str__(self) -> str:
        return self.description

    @property
    def signed(self) -> Decimal:
        """What it adds to the bill; negative for a credit or a discount."""
        return self.net if self.kind == self.Kind.CHARGE else -self.net
