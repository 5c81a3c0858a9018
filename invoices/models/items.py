"""The lines of an invoice."""

import uuid
from decimal import Decimal
from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext, gettext_noop

from billing.formats import percent_sign, quantity, word
from billing.models import ManualItem
from billing.models.tiers import MONEY_SUM
from billing.rating.fees import MONTHLY
from invoices.models.invoices import AMOUNT, Invoice


class TaxCategory(models.TextChoices):
    """What a line is to the tax office, by its code in EN 16931 (UNTDID 5305)."""

    STANDARD = "S", "Taxed"
    ZERO = "Z", "Zero-rated"
    EXEMPT = "E", "Exempt"
    REVERSE_CHARGE = "AE", "Reverse charge"
    EXPORT = "G", "Outside of the seller's tax"


# After the name of the tax and its rate, where there is none to pay.
_WHY_NONE = {
    TaxCategory.EXEMPT: gettext_noop("exempt"),
    TaxCategory.REVERSE_CHARGE: gettext_noop("reverse charge"),
    TaxCategory.EXPORT: gettext_noop("outside of the seller's tax"),
}


def tax_label(category: str, name: str, rate: Decimal) -> str:
    """In the active language: "VAT 19%", "VAT 0%, reverse charge"."""
    # Of a place: "Sales tax, Texas".
    kind, comma, place = name.partition(", ")
    label = f"{word(kind)}{comma}{place} {quantity(rate)}{percent_sign()}"
    why = {str(key): text for key, text in _WHY_NONE.items()}.get(category)
    return f"{label}, {gettext(why)}" if why else label


class InvoiceItem(models.Model):
    """One line. Its `amount` is its share of the rounded sum of all lines by largest remainder.

    `amount` is at the workspace's prices; `net` is before tax, and the same unless they include it.
    """

    class Kind(models.TextChoices):
        SUBSCRIPTION = "subscription"
        ADD_ON = "add_on", "Add-on"
        USAGE = "usage"
        LATE_USAGE = "late_usage", "Late usage"
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
