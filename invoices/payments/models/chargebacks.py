"""Payments that a cardholder's bank takes back, and the evidence that is sent against it."""

import uuid
from decimal import Decimal
from typing import Any, ClassVar

from django.db import models
from django.db.models import F, Q

from billing.models import DurableWork, Workspace
from invoices.models.invoices import AMOUNT, Invoice
from invoices.payments.models.stripe_requests import StripeRequest


class Chargeback(models.Model):
    """A dispute of Stripe's about a charge, as Stripe told of it last.

    Stripe takes the money at once and gives it back when the bank decides for us. The invoice
    stays paid until one is lost and finance decides to ask for `asked_again` of it anew; what it
    does not ask for is lost beside the invoice (`docs/adr/0044-chargebacks.md`).
    """

    class Decision(models.TextChoices):
        ASK_AGAIN = "ask_again", "Asked for again"
        WRITE_OFF = "write_off", "Written off"

    # Statuses as Stripe calls them; those of a mere inquiry begin with `warning_`.
    NEEDS_RESPONSE: ClassVar = ("needs_response", "warning_needs_response")
    OVER: ClassVar = ("won", "lost", "warning_closed", "prevented")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="chargebacks")
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="chargebacks")
    stripe_id = models.CharField(max_length=255, unique=True)
    charge_id = models.CharField(max_length=255, blank=True)
    currency = models.CharField(max_length=3)
    amount = models.DecimalField(**AMOUNT)
    reason = models.CharField(max_length=60, blank=True)
    status = models.CharField(max_length=40)
    due_by = models.DateTimeField(null=True, blank=True, help_text="The last moment for evidence.")
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)
    # What finance has decided about one that is lost; the trigger `chargebacks_ask_again` takes
    # `asked_again` off what payments have paid of the invoice.
    decision = models.CharField(
        max_length=12, choices=Decision, blank=True, default="", db_default=""
    )
    asked_again = models.DecimalField(**AMOUNT, default=Decimal(0), db_default=Decimal(0))
    decision_reason = models.CharField(max_length=500, blank=True, default="", db_default="")
    decided_by = models.CharField(max_length=254, blank=True, default="", db_default="")
    decided_at = models.DateTimeField(null=True, blank=True)

    # Those that hold money of which the bank has not decided yet whose it is.
    UNDECIDED: ClassVar = Q(closed_at__isnull=True) & ~Q(status__startswith="warning_")

    class Meta:
        ordering = ["due_by", "opened_at"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(amount__gt=0) & ~Q(stripe_id=""), name="a_chargeback_is_of_an_amount"
            ),
            models.CheckConstraint(
                condition=Q(status__in=["won", "lost", "warning_closed", "prevented"])
                & Q(closed_at__isnull=False)
                | ~Q(status__in=["won", "lost", "warning_closed", "prevented"])
                & Q(closed_at__isnull=True),
                name="only_a_chargeback_that_is_over_has_an_end",
            ),
            models.CheckConstraint(
                condition=Q(
                    decision="",
                    asked_again=0,
                    decision_reason="",
                    decided_by="",
                    decided_at__isnull=True,
                )
                | Q(status="lost", decided_at__isnull=False)
                & ~Q(decision_reason="")
                & ~Q(decided_by="")
                & (
                    Q(decision="write_off", asked_again=0)
                    | Q(decision="ask_again", asked_again__gt=0, asked_again__lte=F("amount"))
                ),
                name="who_decides_on_a_lost_chargeback_says_why",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["due_by"], condition=Q(closed_at__isnull=True), name="open_chargebacks"
            )
        ]

    def __str__(self) -> str:
        return f"Chargeback of {self.invoice.number}"

    @property
    def took_money(self) -> bool:
        """Whether the bank has taken the money, for now or for good; a mere inquiry takes none."""
        return self.status != "prevented" and not self.status.startswith("warning_")

    @property
    def needs_decision(self) -> bool:
        return self.status == "lost" and not self.decision

    @property
    def needs_response(self) -> bool:
        return self.status in self.NEEDS_RESPONSE


class ChargebackEvidence(StripeRequest, DurableWork):
    """What is said against a chargeback, on its way to Stripe; it takes one answer and no second.

    This row is the request too: `evidence` and its files are what finance saw when it was asked
    for.
    """

    chargeback = models.OneToOneField(
        Chargeback, on_delete=models.CASCADE, primary_key=True, related_name="evidence"
    )
    evidence = models.JSONField()
    asked_by = models.CharField(max_length=254)

    class Meta(DurableWork.Meta):
        verbose_name = "evidence for Stripe"
        verbose_name_plural = "evidence for Stripe"

    def __str__(self) -> str:
        return f"Evidence for {self.chargeback}"

    def about(self) -> tuple[str, models.Model | None, Workspace | None]:
        return str(self), self.chargeback, self.chargeback.workspace

    @classmethod
    def with_subjects(cls) -> models.QuerySet[Any]:
        return cls.objects.select_related("chargeback__workspace", "chargeback__invoice")


class ChargebackFile(StripeRequest):
    """A PDF of the evidence, which Stripe has before the evidence that refers to it."""

    class Field(models.TextChoices):
        """As Stripe's evidence calls it."""

        RECEIPT = "receipt", "Invoice"
        SERVICE = "service_documentation", "Use of the service"
        TERMS = "cancellation_policy", "Terms and conditions"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    evidence = models.ForeignKey(ChargebackEvidence, on_delete=models.CASCADE, related_name="files")
    field = models.CharField(max_length=30, choices=Field)
    # Unlike any other's: by it a file that Stripe has already is found again.
    filename = models.CharField(max_length=120, unique=True)
    content = models.BinaryField()
    stripe_id = models.CharField(max_length=255, blank=True)

    class Meta:
        ordering = ["field"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["evidence", "field"], name="one_file_per_evidence_and_field"
            ),
            models.CheckConstraint(
                condition=Q(done_at__isnull=True, stripe_id="")
                | Q(done_at__isnull=False) & ~Q(stripe_id=""),
                name="an_uploaded_file_has_its_id_in_stripe",
            ),
        ]

    def __str__(self) -> str:
        return self.filename
