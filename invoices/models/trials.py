"""Trial closes: what months would be billed, kept to be approved before they close."""

from decimal import Decimal
from typing import ClassVar

from django.db import models
from django.db.models import Q

from billing.models import BillingPeriod
from billing.money import ZERO
from invoices.models.invoices import AMOUNT


class TrialInvoice(models.Model):
    """What one period would be billed, as the last trial of its close made it.

    Approved by a person or a rule: `approved_by` names who or which. Another `digest` needs to be
    approved anew; `changes` says, one after the other, what came since the last approval.
    """

    class Kind(models.TextChoices):
        NEW = "new", "New"
        GONE = "gone", "Gone"
        UP = "up", "Much more"
        DOWN = "down", "Much less"
        USUAL = "usual", "As usual"
        NOTHING = "nothing", "Nothing"

    class TaxStatus(models.TextChoices):
        KNOWN = "known"
        ESTIMATED = "estimated", "By the rates of an earlier invoice"
        UNKNOWN = "unknown", "Not known yet, left out"

    period = models.OneToOneField(BillingPeriod, on_delete=models.CASCADE, related_name="trial")
    made_at = models.DateTimeField()
    kind = models.CharField(max_length=8, choices=Kind)
    currency = models.CharField(max_length=3)
    amount = models.DecimalField(**AMOUNT, help_text="Zero where nothing would be billed.")
    previous_amount = models.DecimalField(
        **AMOUNT, null=True, help_text="Of the invoice of the month before."
    )
    digest = models.CharField(max_length=64)
    # The lines that were hashed: `invoices.services.closing.approval`.
    snapshot = models.JSONField()
    changes = models.JSONField(default=list)
    # Of a tax that is asked for: whether `amount` has it, as it will be.
    tax_status = models.CharField(
        max_length=9, choices=TaxStatus, default=TaxStatus.KNOWN, db_default=TaxStatus.KNOWN
    )
    approved_by = models.CharField(max_length=150, blank=True)
    approved_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["period"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(approved_at__isnull=True, approved_by="")
                | Q(approved_at__isnull=False) & ~Q(approved_by=""),
                name="trial_invoice_is_approved_by_somebody",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=["new", "gone", "up", "down", "usual", "nothing"]),
                name="trial_invoice_kind_is_known",
            ),
            models.CheckConstraint(
                condition=Q(tax_status__in=["known", "estimated", "unknown"]),
                name="trial_invoice_tax_status_is_known",
            ),
        ]

    def __str__(self) -> str:
        return f"Trial of {self.period}"

    @property
    def billed(self) -> list[tuple[str, Decimal]]:
        """What it would bill, line by line, and the tax on it or in it."""
        lines = [(line["description"], Decimal(line["amount"])) for line in self.snapshot["lines"]]
        tax = Decimal(self.snapshot["tax"])
        is_included = sum(amount for _, amount in lines) == self.amount
        if self.tax_status == self.TaxStatus.UNKNOWN:
            return [*lines, ("Sales tax: not known yet", ZERO)]
        label = "Includes tax" if is_included else "Tax"
        if self.tax_status == self.TaxStatus.ESTIMATED:
            label += ", by the rates of an earlier month: asked for"
        return [*lines, (label, tax)] if tax else lines
