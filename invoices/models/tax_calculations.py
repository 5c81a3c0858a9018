"""Amounts of tax that Stripe Tax works out: what was asked about a document, and the answer.

Invoices ask and read the answers; payments, who speak with Stripe, fetch them.
"""

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Q

from billing.models import BillingPeriod, DurableWork, Workspace


class TaxCalculation(DurableWork):
    """A question about one document's tax, asked until there is an answer, which then stays.

    `question` and `answer` are as `billing.rating.sales_tax` and
    `invoices.services.sales_taxes` write them: amounts as texts, in the currency's own decimals.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(
        Workspace, on_delete=models.CASCADE, related_name="tax_calculations", db_index=False
    )
    # The month it was asked for; none for an invoice of its own.
    period = models.ForeignKey(
        BillingPeriod,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="tax_calculations",
    )
    digest = models.CharField(max_length=64, help_text="Of the question.")
    question = models.JSONField()
    answer = models.JSONField(null=True, blank=True)
    answered_at = models.DateTimeField(null=True, blank=True)
    calculation_id = models.CharField(max_length=255, blank=True, help_text="Stripe's.")
    key_version = models.PositiveSmallIntegerField(
        default=1, help_text="Another one asks under another idempotency key."
    )

    class Meta(DurableWork.Meta):
        verbose_name = "calculation of sales tax"
        verbose_name_plural = "calculations of sales tax"
        constraints: ClassVar = [
            *DurableWork.Meta.constraints,
            models.UniqueConstraint(
                fields=["workspace", "digest"], name="one_tax_calculation_per_question"
            ),
            models.CheckConstraint(
                condition=Q(answer__isnull=True, answered_at__isnull=True, calculation_id="")
                | Q(answer__isnull=False, answered_at__isnull=False) & ~Q(calculation_id=""),
                name="tax_calculation_has_an_answer_and_a_time",
            ),
            models.CheckConstraint(
                condition=~Q(status="done") | Q(answered_at__isnull=False),
                name="a_finished_tax_calculation_is_answered",
            ),
        ]

    def __str__(self) -> str:
        return f"Sales tax of {self.workspace}"

    def about(self) -> tuple[str, models.Model | None, Workspace | None]:
        what = self.period.label if self.period else "an invoice of its own"
        return f"Sales tax of {what}", self.period or self.workspace, self.workspace

    @classmethod
    def with_subjects(cls) -> "models.QuerySet[TaxCalculation]":
        return cls._default_manager.select_related("workspace", "period__workspace")
