"""What tax a document charges, and why: frozen with it."""

import uuid
from typing import Any, ClassVar

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Round
from django.utils import timezone as clock

from billing.money import NO_DECIMALS
from invoices.models.invoices import AMOUNT, Invoice
from invoices.models.items import TaxCategory, tax_label

RATE: dict[str, Any] = {"max_digits": 7, "decimal_places": 4}


class TaxLine(models.Model):
    """The tax of one category and rate on a document, rounded once: `base` is before tax.

    `tax` is `base * rate / 100`; where prices include the tax, it is taken out of `base + tax`.
    One that is calculated is as Stripe Tax has rounded it, and `rate` is what its jurisdictions
    take together.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    position = models.PositiveSmallIntegerField()
    category = models.CharField(max_length=2, choices=TaxCategory)
    rate = models.DecimalField(**RATE, help_text="Percent.")
    name = models.CharField(max_length=32, help_text="As its country calls it: VAT, MWST, MVA.")
    country = models.CharField(max_length=2, help_text="Whose tax it is.")
    region = models.CharField(max_length=100, blank=True)
    currency = models.CharField(max_length=3)
    base = models.DecimalField(**AMOUNT)
    tax = models.DecimalField(**AMOUNT)
    prices_include_tax = models.BooleanField(default=False)
    is_calculated = models.BooleanField(
        default=False, db_default=False, help_text="As Stripe Tax answered it."
    )
    reason_code = models.CharField(
        max_length=40, blank=True, help_text="Why there is none, as e-invoices say it (VATEX)."
    )
    text = models.CharField(max_length=500, blank=True, help_text="What the law wants it to say.")

    class Meta:
        abstract = True

    @property
    def label(self) -> str:
        """As "VAT 19%", "VAT 0%, reverse charge"."""
        return tax_label(self.category, self.name, self.rate)

    # Their inheritors' constraints.
    FOLLOWS: ClassVar = (
        Q(prices_include_tax=False)
        & (
            Q(currency__in=sorted(NO_DECIMALS)) & Q(tax=Round(F("base") * F("rate") / 100, 0))
            | ~Q(currency__in=sorted(NO_DECIMALS)) & Q(tax=Round(F("base") * F("rate") / 100, 2))
        )
    ) | (
        Q(prices_include_tax=True)
        & (
            Q(currency__in=sorted(NO_DECIMALS))
            & Q(tax=Round((F("base") + F("tax")) * F("rate") / (100 + F("rate")), 0))
            | ~Q(currency__in=sorted(NO_DECIMALS))
            & Q(tax=Round((F("base") + F("tax")) * F("rate") / (100 + F("rate")), 2))
        )
    )
    AS_ANSWERED: ClassVar = Q(
        is_calculated=True, category="S", tax__gte=0, tax__lte=F("base"), tax=Round("tax", 2)
    ) & (~Q(currency__in=sorted(NO_DECIMALS)) | Q(tax=Round("tax", 0)))
    HAS_A_RATE: ClassVar = Q(category="S", rate__gt=0) | ~Q(category="S") & Q(rate=0)


class InvoiceTax(TaxLine):
    invoice = models.ForeignKey(
        Invoice, on_delete=models.CASCADE, related_name="taxes", db_index=False
    )

    class Meta:
        ordering = ["invoice", "position"]
        verbose_name_plural = "invoice taxes"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["invoice", "category", "rate"],
                name="one_tax_per_invoice_category_and_rate",
            ),
            models.CheckConstraint(
                condition=Q(category__in=TaxCategory.values), name="invoice_tax_category_is_known"
            ),
            models.CheckConstraint(
                condition=TaxLine.HAS_A_RATE, name="only_a_taxed_category_has_a_rate"
            ),
            models.CheckConstraint(
                condition=TaxLine.FOLLOWS | TaxLine.AS_ANSWERED,
                name="invoice_tax_follows_from_its_base",
            ),
        ]

    def __str__(self) -> str:
        return self.label


class TaxDecision(models.Model):
    """Why an invoice charges the tax it does: who, where, and what was known of their numbers."""

    class Treatment(models.TextChoices):
        TAXED = "taxed"
        REVERSE_CHARGE = "reverse_charge", "Reverse charge"
        EXPORT = "export", "Outside of the seller's tax"
        EXEMPT = "exempt"

    invoice = models.OneToOneField(
        Invoice, on_delete=models.CASCADE, primary_key=True, related_name="tax_decision"
    )
    treatment = models.CharField(max_length=16, choices=Treatment)
    why = models.CharField(max_length=300)
    supplier_country = models.CharField(max_length=2)
    supplier_tax_number = models.CharField(max_length=40)
    customer_country = models.CharField(max_length=2)
    customer_region = models.CharField(max_length=100, blank=True)
    customer_status = models.CharField(max_length=12)
    customer_tax_number = models.CharField(max_length=40, blank=True)
    prices_include_tax = models.BooleanField(default=False)
    # What it was decided from: the rates and the registration, the check of the number.
    evidence = models.JSONField(default=dict)
    decided_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(treatment__in=["taxed", "reverse_charge", "export", "exempt"]),
                name="tax_treatment_is_known",
            ),
            models.CheckConstraint(
                condition=Q(customer_status__in=["business", "consumer", "exempt"]),
                name="taxed_customer_status_is_known",
            ),
            models.CheckConstraint(
                condition=~Q(supplier_country="")
                & ~Q(supplier_tax_number="")
                & ~Q(customer_country=""),
                name="tax_decision_names_both_countries",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_treatment_display()}: {self.why}"
