"""What finance staff ask Stripe to do with an invoice, kept until Stripe has done it."""

import uuid
from typing import Any

from django.db import models
from django.db.models import Q

from billing.models import DurableWork, User, Workspace
from invoices.models.invoices import Invoice


class InvoiceAction(DurableWork):
    """One request to Stripe about an issued invoice: written first, then done, then noted.

    Stripe's state is looked at before each try, so that an action whose answer was lost is not done
    twice. What Stripe refuses has failed: that is its answer.
    """

    class Kind(models.TextChoices):
        RETRY_PAYMENT = "retry_payment", "Retry the payment"
        VOID = "void", "Void"
        MARK_UNCOLLECTIBLE = "mark_uncollectible", "Write off"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    invoice = models.ForeignKey(Invoice, on_delete=models.CASCADE, related_name="actions")
    kind = models.CharField(max_length=24, choices=Kind)
    reason = models.TextField(blank=True, help_text="Why, as the customer may read it.")
    reissue = models.BooleanField(
        default=False, help_text="Of a void: bill the same usage on a new invoice."
    )
    decided_on = models.DateField(null=True, blank=True)
    reference = models.CharField(
        max_length=140, blank=True, help_text="Of the decision: a ticket, a letter."
    )
    actor = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True)
    requested_by = models.CharField(
        max_length=254, help_text="A person's address, or what in the system asked for it."
    )
    # What the system must try once only; empty for people.
    key = models.CharField(max_length=40, blank=True)

    class Meta(DurableWork.Meta):
        verbose_name = "action on an invoice"
        verbose_name_plural = "actions on invoices"
        ordering = ["-requested_at"]
        constraints = [
            *DurableWork.Meta.constraints,
            models.UniqueConstraint(
                fields=["invoice"],
                condition=DurableWork.UNFINISHED,
                name="one_unfinished_action_per_invoice",
            ),
            models.UniqueConstraint(
                fields=["invoice", "key"], condition=~Q(key=""), name="one_action_per_invoice_key"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=["retry_payment", "void", "mark_uncollectible"]),
                name="action_kind_is_known",
            ),
            models.CheckConstraint(
                condition=Q(kind="retry_payment") | ~Q(reason=""),
                name="giving_up_money_is_asked_for_with_a_reason",
            ),
            models.CheckConstraint(
                condition=Q(kind="void") | Q(reissue=False), name="only_what_is_void_is_reissued"
            ),
        ]

    def __str__(self) -> str:
        return self.get_kind_display()

    @property
    def explanation(self) -> str:
        """Why, since when and by what it was asked for, as the history tells it."""
        when = f"{self.decided_on:%d %B %Y}" if self.decided_on else ""
        return ", ".join(filter(None, [self.reason, when, self.reference]))

    def about(self) -> tuple[str, models.Model | None, Workspace | None]:
        asked = f"{self.get_kind_display()}: {self.invoice.number}"
        return f"{asked}, asked for by {self.requested_by}", self.invoice, self.invoice.workspace

    @classmethod
    def with_subjects(cls) -> models.QuerySet[Any]:
        return cls.objects.select_related("invoice__workspace", "actor")
