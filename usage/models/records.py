"""Usage records."""

from decimal import Decimal
from typing import Any, ClassVar

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Q
from django.utils import timezone as clock

from billing.models import BillingPeriod, Workspace
from billing.models.tiers import MONEY
from usage.models.agents import VoiceAgent
from usage.models.calls import Call

QUANTITY: dict[str, Any] = {"max_digits": 20, "decimal_places": 6}


class UsageRecord(models.Model):
    """One priced use. Append-only: a trigger refuses UPDATE, DELETE and TRUNCATE.

    The id is `uuid5(workspace_id, idempotency_key)`. The database's primary key, (workspace_id,
    id), is the dedupe: every key begins with the workspace, so that the table can be partitioned
    or distributed by it (ADR 25). References have no foreign key constraints, which would cost a
    look-up per row and constraint; a statement-level trigger proves workspace and open period once
    for all rows of an insert.
    """

    id = models.UUIDField(primary_key=True)
    workspace = models.ForeignKey(
        Workspace, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False
    )
    billing_period = models.ForeignKey(
        BillingPeriod,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="usage_records",
    )
    # The call need not exist yet when its usage arrives.
    call = models.ForeignKey(
        Call,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        null=True,
        related_name="usage_records",
    )
    # The record that this one takes back, all amounts negated.
    reverses = models.ForeignKey(
        "self",
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        null=True,
        related_name="reversals",
    )
    # The record whose estimated cost this one makes final: no quantity, only the difference.
    trues_up = models.ForeignKey(
        "self",
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        null=True,
        related_name="true_ups",
    )
    occurred_at = models.DateTimeField()
    created_at = models.DateTimeField(default=clock.now)
    usage_date = models.DateField(help_text="Day of occurred_at on the workspace's clock.")
    late = models.BooleanField(default=False)
    idempotency_key = models.CharField(max_length=128)
    resource_type = models.CharField(max_length=64)
    provider = models.CharField(max_length=64)
    quantity = models.DecimalField(**QUANTITY)
    unit_cost = models.DecimalField(max_digits=20, decimal_places=10)
    total_cost = models.DecimalField(**MONEY)
    # Null where its price is not cost plus.
    markup_percentage = models.DecimalField(max_digits=7, decimal_places=4, null=True)
    final_cost = models.DecimalField(**MONEY)
    # The rate of a rate card, or the override, that it was priced by; null: the markup.
    rate_id = models.UUIDField(null=True)
    # After billing increments; null where it is the quantity.
    billed_quantity = models.DecimalField(**QUANTITY, null=True)
    # Of the call, where that is known when it is recorded; else as sent.
    agent = models.ForeignKey(
        VoiceAgent,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        null=True,
        related_name="usage_records",
    )
    model = models.CharField(
        max_length=64, null=True, help_text="Of language, voice or speech, as the provider calls it"
    )
    # Null where the unit cost is in the workspace's own currency.
    cost_currency = models.CharField(max_length=3, null=True)
    exchange_rate = models.DecimalField(max_digits=20, decimal_places=12, null=True)
    # Null where it is final.
    cost_state = models.CharField(max_length=9, null=True)
    reason = models.CharField(max_length=200, null=True, help_text="Why it takes another back.")

    class Meta:
        ordering = ["workspace_id", "-occurred_at", "-id"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(trues_up__isnull=False, quantity=0)
                | Q(
                    trues_up__isnull=True,
                    reverses__isnull=True,
                    quantity__gte=0,
                    total_cost__gte=0,
                    final_cost__gte=0,
                )
                | Q(
                    trues_up__isnull=True,
                    reverses__isnull=False,
                    quantity__lte=0,
                    total_cost__lte=0,
                    final_cost__lte=0,
                ),
                name="only_a_correction_is_negative",
            ),
            models.CheckConstraint(
                condition=Q(unit_cost__gte=0, markup_percentage__gte=0),
                name="usage_prices_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(cost_currency__isnull=True, exchange_rate__isnull=True)
                | Q(cost_currency__isnull=False, exchange_rate__gt=0),
                name="another_currency_has_its_rate",
            ),
            models.CheckConstraint(
                condition=Q(cost_state="estimated"), name="a_cost_is_estimated_or_final"
            ),
            models.UniqueConstraint(
                fields=["workspace", "reverses"],
                condition=Q(reverses__isnull=False),
                name="one_reversal_per_record",
            ),
            models.UniqueConstraint(
                fields=["workspace", "trues_up"],
                condition=Q(trues_up__isnull=False, reverses__isnull=True),
                name="one_true_up_per_record",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["workspace", "-occurred_at", "-id"], name="usage_of_workspace"),
            models.Index(
                fields=["workspace", "call"],
                condition=Q(call__isnull=False),
                name="usage_of_call",
            ),
            models.Index(
                fields=["billing_period", "occurred_at"],
                condition=Q(late=True),
                name="late_usage_of_period",
            ),
            # What was written lately (`usage.services.call_prices`): one entry for 64 blocks.
            BrinIndex(
                fields=["created_at"], pages_per_range=64, autosummarize=True, name="usage_written"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity.normalize():f} {self.resource_type}"

    @property
    def billed(self) -> Decimal:
        """The quantity that is billed."""
        return self.quantity if self.billed_quantity is None else self.billed_quantity

    @property
    def state_of_cost(self) -> str:
        return self.cost_state or "final"
