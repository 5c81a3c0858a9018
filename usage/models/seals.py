"""Seals of closed periods: what proves later that no record was changed, dropped or added."""

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone as clock

from billing.models import BillingPeriod, Workspace
from billing.models.tiers import MONEY_SUM


class PeriodSeal(models.Model):
    """A digest over all records of one closed period, chained to the workspace's seal before it.

    `docs/proof.md` has the canonical form of a record and of a seal. Append-only: a trigger
    refuses UPDATE, DELETE and TRUNCATE. Digests are SHA-256; `mac` is keyed with `SEAL_KEY`.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(
        Workspace, on_delete=models.PROTECT, related_name="seals", db_index=False
    )
    billing_period = models.OneToOneField(
        BillingPeriod, on_delete=models.PROTECT, related_name="seal"
    )
    sequence = models.PositiveIntegerField(help_text="1 for the workspace's first seal.")
    records = models.BigIntegerField()
    total_cost = models.DecimalField(**MONEY_SUM)
    final_cost = models.DecimalField(**MONEY_SUM)
    records_digest = models.CharField(max_length=64)
    previous_digest = models.CharField(max_length=64, blank=True)
    digest = models.CharField(max_length=64, unique=True)
    key_id = models.CharField(max_length=16)
    mac = models.CharField(max_length=64)
    sealed_at = models.DateTimeField(default=clock.now)

    class Meta:
        ordering = ["workspace_id", "sequence"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["workspace", "sequence"], name="one_seal_per_place_in_the_chain"
            ),
            models.CheckConstraint(condition=Q(sequence__gte=1), name="chains_of_seals_begin_at_1"),
            models.CheckConstraint(
                condition=Q(sequence=1, previous_digest="")
                | (Q(sequence__gt=1) & ~Q(previous_digest="")),
                name="only_the_first_seal_has_none_before_it",
            ),
        ]

    def __str__(self) -> str:
        return f"Seal {self.sequence} of {self.workspace_id}"


class SealFingerprints(models.Model):
    """Fingerprints of a sealed period's records, 16 bytes each, in the order of their ids.

    With these a difference can be named down to the record; the seal's digest is over all of them.
    """

    seal = models.ForeignKey(
        PeriodSeal, on_delete=models.CASCADE, related_name="fingerprints", db_index=False
    )
    position = models.PositiveIntegerField(help_text="Blocks count from 0.")
    content = models.BinaryField()

    class Meta:
        ordering = ["seal_id", "position"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["seal", "position"], name="one_block_of_fingerprints_per_position"
            ),
        ]

    def __str__(self) -> str:
        return f"Fingerprints {self.position} of {self.seal_id}"


class SealChain(models.Model):
    """Where a workspace's chain of seals ends; keyed, so that a chain cut short is noticed."""

    workspace = models.OneToOneField(
        Workspace, on_delete=models.CASCADE, primary_key=True, related_name="seal_chain"
    )
    length = models.PositiveIntegerField(default=0)
    head = models.CharField(max_length=64, blank=True)
    key_id = models.CharField(max_length=16, blank=True)
    mac = models.CharField(max_length=64, blank=True)
    anchored = models.PositiveIntegerField(
        default=0, help_text="How much of it has been anchored outside of the database."
    )

    def __str__(self) -> str:
        return f"{self.length} seals of {self.workspace_id}"
