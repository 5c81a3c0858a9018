"""Decisions that one person has made and another has to confirm."""

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Q

from billing.models import Workspace
from invoices.models import CreditNote
from invoices.payments.models.chargebacks import Chargeback


class AwaitedDecision(models.Model):
    """What `asked_by` would have done with a credit note or a chargeback: nothing has changed yet.

    It is gone once somebody else has confirmed it or said otherwise; that it was asked for stays in
    the history of the invoice.
    """

    class Decision(models.TextChoices):
        VOID = "void", "Void"
        ASK_AGAIN = "ask_again", "Asked for again"
        WRITE_OFF = "write_off", "Written off"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(
        Workspace, on_delete=models.PROTECT, related_name="awaited_decisions"
    )
    credit_note = models.OneToOneField(
        CreditNote, on_delete=models.PROTECT, null=True, related_name="awaited"
    )
    chargeback = models.OneToOneField(
        Chargeback, on_delete=models.PROTECT, null=True, related_name="awaited"
    )
    decision = models.CharField(max_length=12, choices=Decision)
    reason = models.CharField(max_length=500)
    asked_by = models.CharField(max_length=254)
    asked_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(credit_note__isnull=False, chargeback__isnull=True, decision="void")
                | Q(
                    credit_note__isnull=True,
                    chargeback__isnull=False,
                    decision__in=["ask_again", "write_off"],
                ),
                name="an_awaited_decision_is_about_one_thing",
            ),
            models.CheckConstraint(
                condition=~Q(reason="") & ~Q(asked_by=""), name="who_asks_for_a_decision_says_why"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_decision_display()}, asked for by {self.asked_by}: {self.reason}"
