"""What a workspace is asked to pay: for a period, once between two, or as a correction."""

import datetime as dt
import uuid
from decimal import Decimal
from typing import Any, ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone as clock
from django.utils.translation import gettext as _

from billing.languages import Language
from billing.models import (
    BillingPeriod,
    IssuingEntity,
    Letterhead,
    Workspace,
    WorkspaceBillingSettings,
)
from billing.models.fields import StripeAccountField
from billing.models.tiers import MONEY_SUM
from billing.money import to_minor
from invoices.models.invoice_constraints import INVOICE_CONSTRAINTS

# Whole charge steps of a currency.
AMOUNT: dict[str, Any] = {"max_digits": 20, "decimal_places": 3}


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
    amount_refunded = models.DecimalField(**AMOUNT, default=Decimal(0))
    # What has settled it so far, each the sum of rows of its own.
    amount_paid = models.DecimalField(
        **AMOUNT,
        default=Decimal(0),
        help_text="What payments have paid of it.",
    )
    credit_used = models.DecimalField(
        **AMOUNT,
        default=Decimal(0),
        help_text="What the customer's credit has paid of it.",
    )
    amount_credited = models.DecimalField(
        **AMOUNT,
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
        **AMOUNT,
        default=Decimal(0),
        help_text="What of it is too small to be charged by itself: it is with the next invoice.",
    )
    carried_in = models.DecimalField(
        **AMOUNT,
        default=Decimal(0),
        help_text="What is charged with it for earlier invoices that were too small.",
    )
    # Who issued it, in whose looks and in which language: as of the day it was issued.
    issuing_entity = models.ForeignKey(
        IssuingEntity,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="invoices",
        help_text="Empty: the issuer whom the settings name.",
    )
    letterhead = models.ForeignKey(
        Letterhead,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        db_index=False,
    )
    language = models.CharField(
        max_length=2, choices=Language, default=Language.ENGLISH, db_default=Language.ENGLISH
    )
    order_number = models.CharField(max_length=100, blank=True, default="", db_default="")
    # Pairs of a name and a text, as they are printed.
    custom_fields = models.JSONField(
        default=list, blank=True, db_default=models.Value([], output_field=models.JSONField())
    )
    # Who it is addressed to, as of the day it was issued.
    bill_to_name = models.CharField(max_length=200)
    bill_to_email = models.EmailField(max_length=254)
    bill_to_address = models.TextField(blank=True)
    bill_to_tax_id = models.CharField(max_length=40, blank=True)
    # Where it is collected, for good: its issuer's account on the day it was issued.
    stripe_account = StripeAccountField("Stripe account", editable=False)
    stripe_invoice_id = models.CharField(max_length=255, null=True, blank=True, unique=True)
    hosted_invoice_url = models.URLField(max_length=1000, blank=True)
    created_at = models.DateTimeField(default=clock.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-issued_at", "-number"]
        constraints: ClassVar = INVOICE_CONSTRAINTS
        indexes: ClassVar = [
            models.Index(fields=["workspace", "-issued_at", "-id"], name="invoices_of_workspace"),
            models.Index(fields=["-issued_at", "-number"], name="invoices_by_time"),
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
            models.Index(
                fields=["workspace"], condition=Q(status="void"), name="void_invoices_of_workspace"
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
            return _("Correction of {number}").format(number=self.corrects.number)
        return _("One-off")

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
