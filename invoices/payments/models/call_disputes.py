"""Calls that an owner says were not worth their price, and what finance decided."""

import uuid
from decimal import Decimal
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone as clock

from billing.models import ManualItem, Workspace
from billing.models.tiers import MONEY_SUM
from invoices.models import CreditNote

STATES = ["open", "approved", "refused", "withdrawn"]


class CallDispute(models.Model):
    """One complaint about one call. Its `facts` are what was known when it was opened."""

    class Reason(models.TextChoices):
        WRONG = "wrong", "Billed wrongly"
        DROPPED = "dropped", "Broke off"
        DOUBLE = "double", "Billed twice"
        QUALITY = "quality", "Poor quality"

    class State(models.TextChoices):
        OPEN = "open"
        APPROVED = "approved"
        REFUSED = "refused"
        WITHDRAWN = "withdrawn"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="call_disputes")
    # The call need not have been reported: its usage is enough (ADR 25: no foreign key).
    call_id = models.UUIDField()
    reason = models.CharField(max_length=8, choices=Reason)
    text = models.CharField(max_length=1000, help_text="As the owner wrote it.")
    state = models.CharField(max_length=9, choices=State, default=State.OPEN)
    currency = models.CharField(max_length=3)
    price = models.DecimalField(
        **MONEY_SUM, help_text="What the call cost at list price when the dispute was opened."
    )
    facts = models.JSONField(default=dict)
    opened_by = models.CharField(max_length=254)
    opened_at = models.DateTimeField(default=clock.now, editable=False)
    decided_by = models.CharField(max_length=254, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    decision = models.CharField(max_length=500, blank=True, help_text="As the owner reads it.")
    by_rule = models.BooleanField(default=False)
    # Before tax, at the workspace's prices.
    amount = models.DecimalField(**MONEY_SUM, default=Decimal(0))
    # What gave it back: a note for a closed month, a line of the next bill, or neither, where the
    # open month's records were taken back.
    credit_note = models.ForeignKey(
        CreditNote, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    manual_item = models.ForeignKey(
        ManualItem, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    class Meta:
        ordering = ["-opened_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["workspace", "call_id"],
                condition=Q(state="open"),
                name="one_open_dispute_per_call",
            ),
            models.CheckConstraint(
                condition=Q(reason__in=["wrong", "dropped", "double", "quality"]) & ~Q(text=""),
                name="a_dispute_says_what_is_wrong",
            ),
            models.CheckConstraint(
                condition=Q(state="open", decided_at__isnull=True, decided_by="")
                | Q(state__in=STATES[1:], decided_at__isnull=False) & ~Q(decided_by=""),
                name="somebody_has_decided_a_dispute",
            ),
            models.CheckConstraint(
                condition=Q(state="approved", amount__gte=0)
                | ~Q(state="approved")
                & Q(amount=0, credit_note__isnull=True, manual_item__isnull=True),
                name="only_an_approved_dispute_gives_back",
            ),
            models.CheckConstraint(
                condition=~Q(state="refused") | ~Q(decision=""),
                name="a_refused_dispute_says_why",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["opened_at"], condition=Q(state="open"), name="open_disputes"),
            models.Index(fields=["workspace", "-opened_at"], name="disputes_of_workspace"),
        ]

    def __str__(self) -> str:
        return f"Dispute of call {str(self.call_id)[:8]}"
