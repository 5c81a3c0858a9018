"""Documents that take back some of an invoice: what of which lines, why, where the money goes."""

import uuid
from decimal import Decimal
from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils import timezone as clock

from billing.models import BillingPeriod, Letterhead, Workspace
from billing.models.tiers import MONEY, MONEY_SUM
from invoices.models.invoices import AMOUNT, Invoice
from invoices.models.items import InvoiceItem, TaxCategory, tax_label


class CreditNote(models.Model):
    """Less to pay for an invoice, by `total`: `net` of its lines and `tax` at its own rates.

    It lowers what is open first (`to_open`); the rest goes where `rest_to` says. Frozen once it is
    issued, under a number of its own series. A void one was either never issued, and is discarded,
    or keeps its number and says why; `NUMBERED` are those that customers have.
    """

    class Status(models.TextChoices):
        DRAFT = "draft", "Waits for approval"
        APPROVED = "approved"
        ISSUED = "issued"
        VOID = "void"

    class Reason(models.TextChoices):
        QUALITY = "quality", "Poor quality"
        DROPPED = "dropped", "Dropped calls"
        DUPLICATE = "duplicate", "Billed twice"
        PRICE = "price", "Wrong price"
        LATE_REVERSAL = "late_reversal", "Usage taken back"
        CANCELLED = "cancelled", "Order cancelled"
        GOODWILL = "goodwill", "Goodwill"
        OTHER = "other", "Another reason"

    class RestTo(models.TextChoices):
        REFUND = "refund", "back to the card or account, through Stripe"
        CREDIT = "credit", "to the customer's credit, for the next invoice"
        OUT_OF_BAND = "out_of_band", "back to the customer another way, by ourselves"

    NUMBERED: ClassVar = Q(number__isnull=False)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="credit_notes")
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="credit_notes")
    number = models.CharField(max_length=40, unique=True, null=True, blank=True)
    letterhead = models.ForeignKey(
        Letterhead,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        db_index=False,
        help_text="Who issued it, as of that day.",
    )
    status = models.CharField(max_length=8, choices=Status, default=Status.DRAFT)
    reason = models.CharField(max_length=16, choices=Reason)
    explanation = models.CharField(max_length=500, help_text="As the customer reads it.")
    currency = models.CharField(max_length=3)
    net = models.DecimalField(**AMOUNT)
    tax = models.DecimalField(**AMOUNT)
    total = models.DecimalField(**AMOUNT)
    rest_to = models.CharField(max_length=12, choices=RestTo)
    to_open = models.DecimalField(**AMOUNT, default=Decimal(0))
    to_refund = models.DecimalField(**AMOUNT, default=Decimal(0))
    to_credit = models.DecimalField(**AMOUNT, default=Decimal(0))
    to_out_of_band = models.DecimalField(**AMOUNT, default=Decimal(0))
    # Names what whoever drafted it must not draft twice.
    key = models.CharField(max_length=200, blank=True)
    drafted_by = models.CharField(max_length=254)
    approved_by = models.CharField(max_length=254, blank=True)
    issued_by = models.CharField(max_length=254, blank=True)
    created_at = models.DateTimeField(default=clock.now, editable=False)
    approved_at = models.DateTimeField(null=True, blank=True)
    issued_at = models.DateTimeField(null=True, blank=True)
    voided_at = models.DateTimeField(null=True, blank=True)
    voided_by = models.CharField(max_length=254, blank=True, default="", db_default="")
    void_reason = models.CharField(max_length=500, blank=True, default="", db_default="")

    class Meta:
        ordering = ["-created_at"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(status__in=["draft", "approved", "issued", "void"]),
                name="credit_note_status_is_known",
            ),
            models.CheckConstraint(
                condition=Q(net__gte=0, tax__gte=0, total__gt=0, total=F("net") + F("tax")),
                name="credit_note_total_is_net_and_tax",
            ),
            models.CheckConstraint(
                condition=Q(
                    status__in=["issued", "void"], number__isnull=False, issued_at__isnull=False
                )
                | ~Q(status="issued") & Q(number__isnull=True, issued_at__isnull=True),
                name="only_an_issued_credit_note_has_a_number",
            ),
            models.CheckConstraint(
                condition=Q(
                    to_open__gte=0, to_refund__gte=0, to_credit__gte=0, to_out_of_band__gte=0
                )
                & (
                    Q(
                        number__isnull=False,
                        total=F("to_open") + F("to_refund") + F("to_credit") + F("to_out_of_band"),
                    )
                    | Q(
                        number__isnull=True,
                        to_open=0,
                        to_refund=0,
                        to_credit=0,
                        to_out_of_band=0,
                    )
                ),
                name="an_issued_credit_note_says_where_all_of_it_goes",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=["approved", "issued"]) | ~Q(approved_by=""),
                name="somebody_has_approved_a_credit_note",
            ),
            models.CheckConstraint(
                condition=Q(status="void", voided_at__isnull=False)
                & (
                    Q(number__isnull=True, voided_by="", void_reason="")
                    | Q(number__isnull=False, to_out_of_band=0)
                    & ~Q(voided_by="")
                    & ~Q(void_reason="")
                )
                | ~Q(status="void") & Q(voided_at__isnull=True, voided_by="", void_reason=""),
                name="who_voids_an_issued_credit_note_says_why",
            ),
            models.UniqueConstraint(
                fields=["workspace", "key"], condition=~Q(key=""), name="one_credit_note_per_key"
            ),
        ]

    def __str__(self) -> str:
        return self.number or f"Credit note for {self.invoice.number}"

    @property
    def is_void(self) -> bool:
        """It was issued, and is void since."""
        return self.status == self.Status.VOID and self.number is not None

    @property
    def status_label(self) -> str:
        is_discarded = self.status == self.Status.VOID and self.number is None
        return "Discarded" if is_discarded else self.get_status_display()


class CreditNoteItem(models.Model):
    """What of one line of the invoice is taken back, before tax."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    credit_note = models.ForeignKey(CreditNote, on_delete=models.CASCADE, related_name="items")
    position = models.PositiveSmallIntegerField()
    item = models.ForeignKey(InvoiceItem, on_delete=models.PROTECT, related_name="credited_by")
    net = models.DecimalField(**AMOUNT)
    # Of late reversals: the period that they entered, the month they are of, and how much of what
    # they take off that period this line gives back in its place.
    period = models.ForeignKey(
        BillingPeriod,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="reversals_given_back",
    )
    usage_month = models.DateField(null=True, blank=True)
    taken_over = models.DecimalField(
        **MONEY_SUM,
        null=True,
        blank=True,
        help_text="At the list prices of its records.",
    )

    class Meta:
        ordering = ["position"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["credit_note", "item"], name="one_line_per_credit_note_and_item"
            ),
            models.CheckConstraint(condition=Q(net__gt=0), name="credit_note_item_is_positive"),
            models.CheckConstraint(
                condition=Q(period__isnull=True, usage_month__isnull=True, taken_over__isnull=True)
                | Q(period__isnull=False, usage_month__isnull=False, taken_over__gt=0),
                name="credit_note_item_names_what_it_takes_over",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.net} of {self.item_id}"


class CreditedRecord(models.Model):
    """A record that was taken back and is given back by a line of a credit note."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    item = models.ForeignKey(CreditNoteItem, on_delete=models.CASCADE, related_name="records")
    workspace = models.ForeignKey(
        Workspace, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    # Of records that have no foreign keys to them (ADR 25): the reversal, and what it takes back.
    record_id = models.UUIDField()
    reversed_id = models.UUIDField()
    call_id = models.UUIDField(null=True, blank=True)
    amount = models.DecimalField(**MONEY, help_text="What it gives back, at list price.")

    class Meta:
        ordering = ["item", "reversed_id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["workspace", "record_id"], name="one_credit_note_item_per_reversal"
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["workspace", "call_id"],
                condition=Q(call_id__isnull=False),
                name="credited_records_of_call",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.amount.normalize():f} for record {self.reversed_id}"


class CreditNoteTax(models.Model):
    """The tax of one category and rate that a credit note gives back, at the invoice's own rate."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    credit_note = models.ForeignKey(CreditNote, on_delete=models.CASCADE, related_name="taxes")
    category = models.CharField(max_length=2, choices=TaxCategory)
    rate = models.DecimalField(max_digits=7, decimal_places=4)
    name = models.CharField(max_length=32, blank=True)
    base = models.DecimalField(**AMOUNT)
    tax = models.DecimalField(**AMOUNT)

    class Meta:
        ordering = ["category", "rate"]
        verbose_name_plural = "credit note taxes"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["credit_note", "category", "rate"],
                name="one_tax_per_credit_note_category_and_rate",
            ),
            models.CheckConstraint(
                condition=Q(base__gte=0, tax__gte=0), name="credit_note_tax_is_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.rate.normalize():f} %"

    @property
    def label(self) -> str:
        """As the invoice's own tax is called."""
        return tax_label(self.category, self.name, self.rate)
