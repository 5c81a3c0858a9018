"""What a workspace is asked to pay: for a period, once between two, or as a correction."""

import datetime as dt
import uuid
from decimal import Decimal
from typing import Any, ClassVar

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Round
from django.utils import timezone as clock

from billing.models import BillingPeriod, ManualItem, Workspace, WorkspaceBillingSettings
from billing.models.tiers import MONEY_SUM
from billing.money import NO_DECIMALS, to_minor
from billing.rating.fees import MONTHLY

# Whole charge steps of a currency.
AMOUNT: dict[str, Any] = {"max_digits": 20, "decimal_places": 3}


class TaxCategory(models.TextChoices):
    """What a line is to the tax office, by its code in EN 16931 (UNTDID 5305)."""

    STANDARD = "S", "Taxed"
    ZERO = "Z", "Zero-rated"
    EXEMPT = "E", "Exempt"
    REVERSE_CHARGE = "AE", "Reverse charge"
    EXPORT = "G", "Outside of the seller's tax"


class InvoiceSequence(models.Model):
    """The last invoice number given out by an issuer in a year.

    Its row is locked while an invoice takes its number, inside the finalizing transaction: a
    number is used if and only if that transaction commits, so there are no gaps.
    """

    issuer = models.CharField(max_length=16)
    year = models.PositiveSmallIntegerField()
    last_number = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["issuer", "year"], name="one_sequence_per_year"),
        ]

    def __str__(self) -> str:
        return f"{self.issuer}-{self.year}-{self.last_number:06d}"


class Invoice(models.Model):
    """A bill, frozen when it was issued.

    `amount` is what is to be paid: `net` and `tax`, all in whole charge steps of `currency`
    (`billing.money`). `exact_amount` is the sum of its lines at the workspace's prices: `net` was
    rounded from it, or `amount` where prices include tax. Without a tax, `amount` is `net`.
    """

    class Kind(models.TextChoices):
        PERIOD = "period"
        ONE_OFF = "one_off", "One-off"
        CORRECTION = "correction"

    class Status(models.TextChoices):
        # Issued, but not yet in Stripe, where it would be paid.
        DRAFT = "draft", "Being sent"
        OPEN = "open"
        # Some of it has been paid, and it is not overdue.
        PARTLY_PAID = "partly_paid", "Partly paid"
        PAID = "paid"
        OVERDUE = "overdue"
        VOID = "void"
        UNCOLLECTIBLE = "uncollectible", "Written off"

    # Asked for, and not overdue; and all that is asked for.
    AWAITED: ClassVar = ("open", "partly_paid")
    UNPAID: ClassVar = (*AWAITED, "overdue")
    # Void, and it is still open whether what it billed is billed anew.
    UNDECIDED: ClassVar = Q(status="void", unbilled_reason="", replaced_by__isnull=True)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="invoices")
    kind = models.CharField(max_length=12, choices=Kind, default=Kind.PERIOD)
    billing_period = models.ForeignKey(
        BillingPeriod,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="invoices",
        help_text="What an invoice of a period bills; others have none.",
    )
    corrects = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="corrections",
        help_text="The invoice of which a correction asks for what was missing.",
    )
    number = models.CharField(max_length=40, unique=True)
    replaces = models.OneToOneField(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="replaced_by",
        help_text="The void invoice of the same period that this one was issued in place of.",
    )
    currency = models.CharField(max_length=3)
    net = models.DecimalField(**AMOUNT, help_text="Before tax.")
    tax = models.DecimalField(**AMOUNT, default=Decimal(0), db_default=Decimal(0))
    amount = models.DecimalField(**AMOUNT, help_text="To be paid: net and tax.")
    exact_amount = models.DecimalField(**MONEY_SUM)
    prices_include_tax = models.BooleanField(default=False, db_default=False)
    status = models.CharField(max_length=16, choices=Status, default=Status.DRAFT)
    collection_method = models.CharField(
        max_length=24, choices=WorkspaceBillingSettings.CollectionMethod
    )
    payment_terms_days = models.PositiveSmallIntegerField()
    issued_at = models.DateTimeField()
    due_date = models.DateField(help_text="On the workspace's calendar.")
    paid_at = models.DateTimeField(null=True, blank=True)
    voided_at = models.DateTimeField(null=True, blank=True)
    void_reason = models.TextField(blank=True)
    unbilled_reason = models.TextField(
        blank=True,
        help_text="Why what this void invoice billed is not billed again; empty while undecided.",
    )
    suspends_since = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Since when the workspace is suspended for want of its payment.",
    )
    amount_refunded = models.DecimalField(max_digits=20, decimal_places=3, default=Decimal(0))
    # What has settled it so far, each the sum of rows of its own.
    amount_paid = models.DecimalField(
        max_digits=20,
        decimal_places=3,
        default=Decimal(0),
        help_text="What payments have paid of it.",
    )
    credit_used = models.DecimalField(
        max_digits=20,
        decimal_places=3,
        default=Decimal(0),
        help_text="What the customer's credit has paid of it.",
    )
    amount_credited = models.DecimalField(
        max_digits=20,
        decimal_places=3,
        default=Decimal(0),
        help_text="By how much credit notes have lowered what was open of it.",
    )
    net_credited = models.DecimalField(
        **AMOUNT,
        default=Decimal(0),
        db_default=Decimal(0),
        help_text="Of its net, what credit notes have taken back.",
    )
    tax_credited = models.DecimalField(
        **AMOUNT,
        default=Decimal(0),
        db_default=Decimal(0),
        help_text="Of its tax, what credit notes have given back.",
    )
    carried_over = models.DecimalField(
        max_digits=20,
        decimal_places=3,
        default=Decimal(0),
        help_text="What of it is too small to be charged by itself: it is with the next invoice.",
    )
    carried_in = models.DecimalField(
        max_digits=20,
        decimal_places=3,
        default=Decimal(0),
        help_text="What is charged with it for earlier invoices that were too small.",
    )
    # Who it is addressed to, as of the day it was issued.
    bill_to_name = models.CharField(max_length=200)
    bill_to_email = models.EmailField(max_length=254)
    bill_to_address = models.TextField(blank=True)
    bill_to_tax_id = models.CharField(max_length=40, blank=True)
    stripe_invoice_id = models.CharField(max_length=255, null=True, blank=True, unique=True)
    hosted_invoice_url = models.URLField(max_length=1000, blank=True)
    created_at = models.DateTimeField(default=clock.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-issued_at", "-number"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(
                    status__in=[
                        "draft",
                        "open",
                        "partly_paid",
                        "paid",
                        "overdue",
                        "void",
                        "uncollectible",
                    ]
                ),
                name="invoice_status_is_known",
            ),
            models.UniqueConstraint(
                fields=["billing_period"],
                condition=Q(kind="period") & ~Q(status="void"),
                name="one_live_invoice_per_period",
            ),
            models.CheckConstraint(
                condition=Q(kind="period", billing_period__isnull=False)
                | Q(kind__in=["one_off", "correction"], billing_period__isnull=True),
                name="only_an_invoice_of_a_period_has_one",
            ),
            models.CheckConstraint(
                condition=Q(kind="correction", corrects__isnull=False)
                | ~Q(kind="correction") & Q(corrects__isnull=True),
                name="only_a_correction_corrects_an_invoice",
            ),
            models.CheckConstraint(
                condition=Q(amount=F("net") + F("tax")), name="invoice_amount_is_net_and_tax"
            ),
            models.CheckConstraint(
                condition=Q(status="void") | Q(void_reason="", unbilled_reason=""),
                name="only_a_void_invoice_says_why",
            ),
            models.CheckConstraint(
                condition=~Q(replaces=F("id")), name="invoice_does_not_replace_itself"
            ),
            models.CheckConstraint(condition=Q(amount__gte=0), name="invoice_not_negative"),
            models.CheckConstraint(
                condition=Q(amount=Round("amount", 2))
                & Q(net=Round("net", 2))
                & (
                    ~Q(currency__in=sorted(NO_DECIMALS))
                    | Q(amount=Round("amount", 0), net=Round("net", 0))
                ),
                name="invoice_amount_can_be_charged",
            ),
            models.CheckConstraint(
                condition=Q(status="paid", paid_at__isnull=False)
                | (~Q(status="paid") & Q(paid_at__isnull=True)),
                name="only_a_paid_invoice_has_been_paid",
            ),
            models.CheckConstraint(
                condition=Q(suspends_since__isnull=True)
                | Q(status__in=["overdue", "uncollectible"]),
                name="only_an_unpaid_invoice_suspends_its_workspace",
            ),
            models.CheckConstraint(
                condition=Q(carried_over__gte=0, carried_over__lte=F("amount"), carried_in__gte=0),
                name="no_more_is_carried_over_than_billed",
            ),
            models.CheckConstraint(
                condition=Q(
                    amount_refunded__gte=0, amount_refunded__lte=F("amount") + F("carried_in")
                ),
                name="refunds_within_the_amount",
            ),
            models.CheckConstraint(
                condition=Q(
                    amount_paid__gte=0,
                    credit_used__gte=0,
                    amount_credited__gte=0,
                    amount__gte=F("amount_paid") + F("credit_used") + F("amount_credited"),
                ),
                name="invoice_settled_within_its_amount",
            ),
            models.CheckConstraint(
                condition=~Q(status="paid")
                | Q(amount=F("amount_paid") + F("credit_used") + F("amount_credited")),
                name="a_paid_invoice_is_settled_in_full",
            ),
            models.CheckConstraint(
                condition=~Q(status="void") | Q(amount_paid=0, credit_used=0, amount_credited=0),
                name="nothing_is_paid_of_a_void_invoice",
            ),
            models.CheckConstraint(
                # Either may be below zero where a credit at another rate is on the invoice.
                condition=(Q(net_credited=0) | Q(net_credited__gt=0, net_credited__lte=F("net")))
                & (Q(tax_credited=0) | Q(tax_credited__gt=0, tax_credited__lte=F("tax")))
                & Q(amount__gte=F("net_credited") + F("tax_credited")),
                name="no_more_is_credited_than_billed",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["workspace", "-issued_at", "-id"], name="invoices_of_workspace"),
            models.Index(
                fields=["due_date"],
                condition=Q(status__in=["draft", "open", "partly_paid", "overdue"]),
                name="invoices_to_collect",
            ),
            models.Index(
                fields=["workspace"],
                condition=Q(suspends_since__isnull=False),
                name="invoices_that_suspend",
            ),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def is_charged_automatically(self) -> bool:
        automatic = WorkspaceBillingSettings.CollectionMethod.CHARGE_AUTOMATICALLY
        return self.collection_method == automatic

    @property
    def issued_on(self) -> dt.date:
        """The issue date as printed: on the workspace's calendar."""
        return self.issued_at.astimezone(self.workspace.zone).date()

    @property
    def label(self) -> str:
        """What it is about: the month it bills, or that it is no month's."""
        if self.billing_period is not None:
            return self.billing_period.label
        if self.corrects is not None:
            return f"Correction of {self.corrects.number}"
        return "One-off"

    @property
    def replacement(self) -> "Invoice | None":
        """The invoice that was issued in place of this void one."""
        return getattr(self, "replaced_by", None)

    def is_past_due(self, now: dt.datetime) -> bool:
        """Whether its last day to be paid is over on the workspace's calendar."""
        return now.astimezone(self.workspace.zone).date() > self.due_date

    @property
    def amount_minor(self) -> int:
        return to_minor(self.amount, self.currency)

    @property
    def amount_settled(self) -> Decimal:
        """What payments, credit and credit notes have made of it so far."""
        return self.amount_paid + self.credit_used + self.amount_credited

    @property
    def amount_open(self) -> Decimal:
        """What is left of its own amount, asked for or not."""
        return self.amount - self.amount_settled

    @property
    def amount_due(self) -> Decimal:
        """What is still to be paid, earlier ones too small with it; zero once it ended."""
        if self.status in (self.Status.PAID, self.Status.VOID):
            return Decimal(0)
        return self.amount_open + self.carried_in

    @property
    def amount_charged(self) -> Decimal:
        """What is asked for with it: its own amount, and earlier ones' that were too small."""
        return self.amount + self.carried_in

    @property
    def residual(self) -> Decimal:
        """What rounding to minor units added to the exact sum."""
        return (self.amount if self.prices_include_tax else self.net) - self.exact_amount


class InvoiceItem(models.Model):
    """One line. Its `amount` is its share of the rounded sum of all lines by largest remainder.

    `amount` is at the workspace's prices; `net` is before tax, and the same unless they include it.
    """

    class Kind(models.TextChoices):
        SUBSCRIPTION = "subscription"
        ADD_ON = "add_on", "Add-on"
        USAGE = "usage"
        LATE_USAGE = "late_usage"
        DISCOUNT = "discount"
        COMMITMENT = "commitment", "Minimum commitment"
        MANUAL = "manual", "By hand"
        CREDIT = "credit"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    invoice = models.ForeignKey(Invoice, on_delete=models.CASCADE, related_name="items")
    position = models.PositiveSmallIntegerField()
    kind = models.CharField(max_length=16, choices=Kind)
    description = models.CharField(max_length=200)
    resource_type = models.CharField(max_length=64, blank=True)
    # Late usage: the first day of the month in which it occurred.
    usage_month = models.DateField(null=True, blank=True)
    quantity = models.DecimalField(max_digits=28, decimal_places=6)
    unit_price = models.DecimalField(
        **MONEY_SUM,
        help_text="Exact amount / quantity, to 10 decimals: an average over all prices.",
    )
    exact_amount = models.DecimalField(**MONEY_SUM)
    adjustment = models.DecimalField(
        **MONEY_SUM,
        default=Decimal(0),
        db_default=Decimal(0),
        help_text="How much of the exact amount the whole period's prices added to the records'.",
    )
    # What the meters in it came to: `usage.queries.meters`.
    meters = models.JSONField(default=list, blank=True)
    amount = models.DecimalField(**AMOUNT)
    net = models.DecimalField(**AMOUNT)
    tax_class = models.CharField(
        max_length=32,
        blank=True,
        db_default="",
        help_text="What it is to the tax office; empty: as everything else of the workspace.",
    )
    net_credited = models.DecimalField(
        **AMOUNT,
        default=Decimal(0),
        db_default=Decimal(0),
        help_text="Of its net, what credit notes have taken back.",
    )
    # Empty where no tax was decided on: the issuer is registered nowhere.
    tax_category = models.CharField(max_length=2, choices=TaxCategory, blank=True)
    tax_rate = models.DecimalField(max_digits=7, decimal_places=4, null=True, blank=True)
    manual_item = models.ForeignKey(
        ManualItem,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="invoice_items",
        db_index=False,
    )

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(
                fields=["invoice", "position"], name="one_item_per_invoice_and_position"
            ),
            models.CheckConstraint(
                condition=Q(
                    kind__in=[
                        "subscription",
                        "add_on",
                        "usage",
                        "late_usage",
                        "discount",
                        "commitment",
                        "manual",
                        "credit",
                    ]
                ),
                name="item_kind_is_known",
            ),
            models.CheckConstraint(
                condition=Q(adjustment=0) | Q(kind__in=["usage", "late_usage"]),
                name="only_usage_is_adjusted",
            ),
            models.CheckConstraint(
                condition=Q(net_credited=0) | Q(net_credited__gt=0, net_credited__lte=F("net")),
                name="no_more_of_a_line_is_credited_than_it_holds",
            ),
            models.CheckConstraint(
                condition=Q(tax_category="", tax_rate__isnull=True)
                | Q(tax_category="S", tax_rate__gt=0)
                | Q(tax_category__in=["Z", "E", "AE", "G"], tax_rate=0),
                name="item_is_taxed_by_category_and_rate",
            ),
            models.CheckConstraint(
                condition=Q(kind="manual", manual_item__isnull=False)
                | ~Q(kind="manual") & Q(manual_item__isnull=True),
                name="only_an_item_by_hand_has_one",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["manual_item"],
                condition=Q(manual_item__isnull=False),
                name="items_of_manual_items",
            ),
        ]

    def __str__(self) -> str:
        return self.description

    @property
    def is_counted(self) -> bool:
        """Whether quantity and unit price say more than the description and the amount do."""
        if self.kind == self.Kind.SUBSCRIPTION:
            return self.description == MONTHLY
        return self.kind in (self.Kind.ADD_ON, self.Kind.USAGE)
