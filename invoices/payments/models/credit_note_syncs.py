"""A credit note on its way into Stripe: what is open lowered, money refunded, all noted; void."""

import uuid
from typing import Any

from django.db import models
from django.db.models import Q

from billing.models import DurableWork, Workspace
from invoices.models.credit_notes import CreditNote
from invoices.payments.models.payment_entries import PaymentEntry
from invoices.payments.models.stripe_requests import StripeRequest


class CreditNoteSync(DurableWork):
    """The sync of one issued credit note."""

    credit_note = models.OneToOneField(
        CreditNote, on_delete=models.CASCADE, primary_key=True, related_name="sync"
    )

    class Meta(DurableWork.Meta):
        verbose_name = "credit note for Stripe"
        verbose_name_plural = "credit notes for Stripe"

    def __str__(self) -> str:
        return f"Stripe sync of {self.credit_note}"

    def about(self) -> tuple[str, models.Model | None, Workspace | None]:
        note = self.credit_note
        return f"Credit note {note} into Stripe", note, note.workspace

    @classmethod
    def with_subjects(cls) -> models.QuerySet[Any]:
        return cls.objects.select_related("credit_note__workspace", "credit_note__invoice")


class CreditNoteStep(StripeRequest):
    """One request of a credit note's sync, in the order of `position`."""

    class Kind(models.TextChoices):
        LOWER = "lower", "Lower what is open"
        REFUND = "refund", "Refund a payment"
        NOTE = "note", "Note what was given back"
        VOID = "void", "Void it"
        MARK = "mark", "Say that it is void"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    sync = models.ForeignKey(CreditNoteSync, on_delete=models.CASCADE, related_name="steps")
    position = models.PositiveSmallIntegerField()
    kind = models.CharField(max_length=8, choices=Kind)
    amount = models.DecimalField(max_digits=20, decimal_places=3)
    entry = models.ForeignKey(
        PaymentEntry,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="refund_steps",
        help_text="The payment that is refunded.",
    )
    stripe_id = models.CharField(max_length=255, blank=True)
    of = models.ForeignKey(
        "self",
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="undone_by",
        help_text="The step whose work it makes void.",
    )

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(
                fields=["sync", "position"], name="one_credit_note_step_per_position"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=["lower", "refund", "note", "void", "mark"], amount__gt=0),
                name="credit_note_step_has_a_kind_and_an_amount",
            ),
            models.CheckConstraint(
                condition=Q(kind="refund", entry__isnull=False)
                | ~Q(kind="refund") & Q(entry__isnull=True),
                name="only_a_refund_names_a_payment",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=["void", "mark"], of__isnull=False)
                | ~Q(kind__in=["void", "mark"]) & Q(of__isnull=True),
                name="what_makes_void_names_a_step",
            ),
        ]

    def __str__(self) -> str:
        return self.get_kind_display()
