"""Money that customers paid, whichever way it came, and which invoices it pays."""

import uuid
from decimal import Decimal

from django.db import models
from django.db.models import F, Q
from django.utils import timezone as clock

from billing.models import Workspace
from invoices.models.invoices import Invoice
from invoices.payments.models.payment_entries import PaymentEntry


class Payment(models.Model):
    """One payment. What pays no invoice of it is the customer's credit (`CreditEntry`).

    `amount_allocated` and `amount_to_credit` are kept by the database, from the rows that take it
    up: no payment pays more than it holds.
    """

    class Way(models.TextChoices):
        STRIPE = "stripe", "Stripe"
        BANK_TRANSFER = "bank_transfer", "Bank transfer"
        OTHER = "other", "Another way"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="payments")
    way = models.CharField(max_length=16, choices=Way)
    currency = models.CharField(max_length=3)
    amount = models.DecimalField(max_digits=20, decimal_places=3)
    amount_allocated = models.DecimalField(max_digits=20, decimal_places=3, default=Decimal(0))
    amount_to_credit = models.DecimalField(max_digits=20, decimal_places=3, default=Decimal(0))
    received_on = models.DateField(help_text="On the bank statement; in UTC where Stripe says it.")
    reference = models.CharField(
        max_length=140, blank=True, help_text="As the bank or Stripe names it."
    )
    reason = models.CharField(max_length=500, blank=True)
    # Stripe's own record of it, once it is heard of.
    entry = models.OneToOneField(
        PaymentEntry, on_delete=models.PROTECT, null=True, blank=True, related_name="payment"
    )
    # Names what whoever recorded it must not record twice; empty where Stripe said it.
    key = models.CharField(max_length=200, blank=True)
    recorded_by = models.CharField(max_length=254)
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        ordering = ["-received_on", "-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(way__in=["stripe", "bank_transfer", "other"]),
                name="payment_way_is_known",
            ),
            models.CheckConstraint(condition=Q(amount__gt=0), name="payment_is_positive"),
            models.CheckConstraint(
                condition=Q(
                    amount_allocated__gte=0,
                    amount_to_credit__gte=0,
                    amount__gte=F("amount_allocated") + F("amount_to_credit"),
                ),
                name="payment_pays_no_more_than_it_holds",
            ),
            models.CheckConstraint(
                condition=Q(way="stripe") | Q(entry__isnull=True),
                name="only_stripes_payments_have_its_record",
            ),
            models.UniqueConstraint(
                fields=["workspace", "key"], condition=~Q(key=""), name="one_payment_per_key"
            ),
        ]
        indexes = [
            models.Index(fields=["workspace", "-received_on"], name="payments_of_workspace"),
        ]

    def __str__(self) -> str:
        return f"{self.get_way_display()} {self.reference}".strip()

    @property
    def amount_left(self) -> Decimal:
        """What has paid no invoice yet, and is no credit."""
        return self.amount - self.amount_allocated - self.amount_to_credit


class PaymentAllocation(models.Model):
    """What one payment pays of one invoice. Appended, never changed.

    Inserting it adds to the payment's and the invoice's sums, whose constraints refuse too much.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="allocations")
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="allocations")
    amount = models.DecimalField(max_digits=20, decimal_places=3)
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        ordering = ["created_at"]
        constraints = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="allocation_is_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.amount} of {self.payment_id} for {self.invoice_id}"


class PaymentReversal(models.Model):
    """A payment that was recorded wrongly is taken back: all of it, once. Appended, never changed.

    Inserting it takes what the payment paid off its invoices' sums; the payment and its shares stay
    as they were recorded.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="+")
    payment = models.OneToOneField(Payment, on_delete=models.PROTECT, related_name="reversal")
    reason = models.CharField(max_length=500)
    taken_back_by = models.CharField(max_length=254)
    on = models.DateField(help_text="On the workspace's calendar.")
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=~Q(reason="") & ~Q(taken_back_by=""),
                name="who_takes_a_payment_back_says_why",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.payment}, taken back"


class CreditEntry(models.Model):
    """One change of a customer's credit, and the balance after it. Appended, never changed.

    Each follows the one before it by `position`, so that two at once cannot both spend it.
    """

    class Kind(models.TextChoices):
        OVERPAYMENT = "overpayment", "Overpayment"
        CREDIT_NOTE = "credit_note", "Credit note"
        SPENT = "spent", "Used for an invoice"
        RETURNED = "returned", "Returned from a void invoice"
        PAID_OUT = "paid_out", "Paid out"
        TAKEN_BACK = "taken_back", "Overpayment taken back"
        NOTE_VOID = "note_void", "Credit note is void"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="credit")
    currency = models.CharField(max_length=3)
    position = models.PositiveIntegerField()
    kind = models.CharField(max_length=16, choices=Kind)
    amount = models.DecimalField(
        max_digits=20, decimal_places=3, help_text="Below zero where it was used."
    )
    balance = models.DecimalField(max_digits=20, decimal_places=3)
    payment = models.ForeignKey(
        Payment, on_delete=models.PROTECT, null=True, blank=True, related_name="credit_entries"
    )
    invoice = models.ForeignKey(
        Invoice, on_delete=models.PROTECT, null=True, blank=True, related_name="credit_entries"
    )
    reference = models.CharField(max_length=140, blank=True)
    reason = models.CharField(max_length=500, blank=True)
    key = models.CharField(max_length=200, blank=True)
    on = models.DateField()
    source = models.CharField(max_length=200)
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        ordering = ["workspace", "currency", "position"]
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "currency", "position"],
                name="credit_entries_follow_each_other",
            ),
            models.CheckConstraint(
                condition=Q(balance__gte=0), name="no_more_credit_is_spent_than_there_is"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=["overpayment", "credit_note", "returned"], amount__gt=0)
                | Q(kind__in=["spent", "paid_out", "taken_back", "note_void"], amount__lt=0),
                name="credit_entry_has_its_kinds_sign",
            ),
            models.CheckConstraint(
                condition=~Q(kind__in=["overpayment", "taken_back"]) | Q(payment__isnull=False),
                name="an_overpayment_names_its_payment",
            ),
            models.CheckConstraint(
                condition=~Q(kind__in=["spent", "returned"]) | Q(invoice__isnull=False),
                name="spent_credit_names_its_invoice",
            ),
            models.UniqueConstraint(
                fields=["workspace", "key"], condition=~Q(key=""), name="one_credit_entry_per_key"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.amount} {self.currency}"
