"""Workspaces and their billing settings."""

import uuid
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone as clock

from billing.languages import Language
from billing.models.fields import EmailAddressField, LineField
from billing.models.issuers import IssuingEntity
from billing.models.people import User
from billing.models.tiers import SubscriptionTier


class Workspace(models.Model):
    """One customer of the platform; what it uses is billed monthly in its currency."""

    class Status(models.TextChoices):
        ACTIVE = "active"
        SUSPENDED = "suspended"
        CLOSED = "closed"

    class SuspensionReason(models.TextChoices):
        PAYMENT = "payment"
        MANUAL = "manual"

    class TaxStatus(models.TextChoices):
        BUSINESS = "business"
        CONSUMER = "consumer"
        EXEMPT = "exempt", "Exempt from tax"

    class EInvoiceFormat(models.TextChoices):
        NONE = "none", "None"
        FACTURX = "facturx", "Factur-X / ZUGFeRD: inside the PDF"
        XRECHNUNG = "xrechnung", "XRechnung (UBL)"
        PEPPOL = "peppol", "Peppol BIS Billing 3 (UBL)"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    name = LineField(max_length=200)
    status = models.CharField(max_length=16, choices=Status, default=Status.ACTIVE)
    suspension_reason = models.CharField(
        max_length=16,
        choices=SuspensionReason,
        blank=True,
        help_text="Payment: lifted by itself when everything is paid. Manual: lifted by staff.",
    )
    tier = models.ForeignKey(
        SubscriptionTier, on_delete=models.PROTECT, help_text="For periods opened from now on."
    )
    currency = models.CharField(max_length=3)
    timezone = models.CharField(max_length=64)
    billing_email = EmailAddressField(max_length=254)
    billing_name = LineField(max_length=200, blank=True, help_text="Default: the name.")
    address_line1 = LineField(max_length=200, blank=True)
    address_line2 = LineField(max_length=200, blank=True)
    address_city = LineField(max_length=100, blank=True)
    address_state = LineField(max_length=100, blank=True)
    address_postal_code = LineField(max_length=20, blank=True)
    address_country = models.CharField(max_length=2, blank=True, help_text="ISO 3166, as DE.")
    tax_id = LineField(max_length=40, blank=True)
    tax_status = models.CharField(
        max_length=12,
        choices=TaxStatus,
        default=TaxStatus.BUSINESS,
        db_default=TaxStatus.BUSINESS,
        help_text="What it is to the tax office. A business abroad needs a valid VAT number to be"
        " billed without tax.",
    )
    tax_exemption = LineField(
        max_length=200,
        blank=True,
        db_default="",
        help_text="Why it is exempt from tax, as invoices say it: the certificate, the article.",
    )
    e_invoice_format = models.CharField(
        "e-invoice",
        max_length=12,
        choices=EInvoiceFormat,
        default=EInvoiceFormat.NONE,
        db_default=EInvoiceFormat.NONE,
        help_text="For its invoices and credit notes from now on. One that breaks the format's"
        " rules is not issued until it is mended.",
    )
    e_invoice_attached = models.BooleanField(
        "attached to its e-mail",
        default=True,
        db_default=True,
        help_text="Whether the XML goes with the e-mail of an invoice; Factur-X is in the PDF.",
    )
    buyer_reference = LineField(
        max_length=100,
        blank=True,
        db_default="",
        help_text="What its invoices are to name: the Leitweg-ID of a German authority, a cost"
        " centre.",
    )
    order_number = LineField(
        max_length=100, blank=True, db_default="", help_text="Of its purchase order."
    )
    electronic_address = LineField(
        max_length=200,
        blank=True,
        db_default="",
        help_text="Where e-invoices go. Empty: the billing e-mail.",
    )
    electronic_address_scheme = models.CharField(
        "scheme of the address",
        max_length=4,
        blank=True,
        db_default="",
        help_text="EAS code of it, as 0204 (Leitweg-ID), 9930 (German VAT number), EM (e-mail).",
    )
    language = models.CharField(
        max_length=2,
        choices=Language,
        default=Language.ENGLISH,
        db_default=Language.ENGLISH,
        help_text="Of its invoices and mails.",
    )
    issuing_entity = models.ForeignKey(
        IssuingEntity,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="workspaces",
        help_text="Who invoices it, for periods opened from now on. Empty: as the settings say.",
    )
    custom_fields = models.JSONField(
        default=dict,
        blank=True,
        db_default=models.Value({}, output_field=models.JSONField()),
        help_text="Values of its issuing entity's custom fields, as invoices print them.",
    )
    members = models.ManyToManyField(User, through="WorkspaceMember", related_name="workspaces")
    # A digest of the facts it was asked for with, by which the same request again is known.
    created_from = models.CharField(max_length=64, blank=True, editable=False)
    created_at = models.DateTimeField(default=clock.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=["active", "suspended", "closed"]),
                name="workspace_status_is_known",
            ),
            models.CheckConstraint(
                condition=Q(status="suspended", suspension_reason__in=["payment", "manual"])
                | (~Q(status="suspended") & Q(suspension_reason="")),
                name="only_a_suspended_workspace_has_a_reason",
            ),
            models.CheckConstraint(
                condition=Q(currency__regex=r"^[A-Z]{3}$"), name="workspace_currency_is_iso"
            ),
            models.CheckConstraint(
                condition=Q(address_country="") | Q(address_country__regex=r"^[A-Z]{2}$"),
                name="workspace_country_is_iso",
            ),
            models.CheckConstraint(
                condition=Q(language__in=Language.values), name="workspace_language_is_known"
            ),
            models.CheckConstraint(
                condition=(Q(tax_status="exempt") & ~Q(tax_exemption=""))
                | Q(tax_status__in=["business", "consumer"], tax_exemption=""),
                name="only_an_exempt_workspace_says_why",
            ),
            models.CheckConstraint(
                condition=Q(e_invoice_format__in=["none", "facturx", "xrechnung", "peppol"]),
                name="e_invoice_format_is_known",
            ),
            models.CheckConstraint(
                condition=Q(electronic_address="", electronic_address_scheme="")
                | ~Q(electronic_address="") & ~Q(electronic_address_scheme=""),
                name="electronic_address_has_a_scheme",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def email(self) -> str:
        """Where bills go; dj-stripe asks its subscriber model for this name."""
        return self.billing_email

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)


class WorkspaceBillingSettings(models.Model):
    """Terms of one workspace; every workspace has exactly one row."""

    class CollectionMethod(models.TextChoices):
        CHARGE_AUTOMATICALLY = "charge_automatically", "Charge automatically"
        SEND_INVOICE = "send_invoice", "Send invoice"

    class OwnersSee(models.TextChoices):
        PRICE = "price"
        PRICE_AND_COST = "price_and_cost", "Price and cost"

    workspace = models.OneToOneField(
        Workspace, on_delete=models.CASCADE, primary_key=True, related_name="billing_settings"
    )
    usage_limit_monthly = models.DecimalField(
        max_digits=18,
        decimal_places=4,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal(0))],
        help_text="Spend on usage in one period, in the workspace's currency. Empty: no limit.",
    )
    alert_threshold_percentage = models.DecimalField(
        max_digits=7,
        decimal_places=4,
        default=Decimal(80),
        validators=[MinValueValidator(Decimal("0.0001")), MaxValueValidator(Decimal(100))],
    )
    auto_pause_on_limit = models.BooleanField(default=True)
    markup_percentage = models.DecimalField(
        max_digits=7,
        decimal_places=4,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal(0))],
        help_text="Empty: the platform's markup.",
    )
    collection_method = models.CharField(
        max_length=24, choices=CollectionMethod, default=CollectionMethod.CHARGE_AUTOMATICALLY
    )
    payment_terms_days = models.PositiveSmallIntegerField(
        default=14, validators=[MaxValueValidator(365)]
    )
    prices_include_tax = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Whether its prices have the tax in them, where one is charged; otherwise it is"
        " added to them. Limits and all amounts of usage are at its prices.",
    )
    owners_see = models.CharField(
        max_length=16,
        choices=OwnersSee,
        blank=True,
        default="",
        help_text="Of usage: its price, or what providers charge for it and the markup too."
        " Empty: as the platform says.",
    )
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "workspace billing settings"
        constraints = [
            models.CheckConstraint(
                condition=Q(owners_see__in=["", "price", "price_and_cost"]),
                name="owners_see_is_known",
            ),
            models.CheckConstraint(
                condition=Q(usage_limit_monthly__isnull=True) | Q(usage_limit_monthly__gte=0),
                name="usage_limit_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(alert_threshold_percentage__gt=0, alert_threshold_percentage__lte=100),
                name="alert_threshold_is_a_percentage",
            ),
            models.CheckConstraint(
                condition=Q(markup_percentage__isnull=True) | Q(markup_percentage__gte=0),
                name="markup_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(collection_method__in=["charge_automatically", "send_invoice"]),
                name="collection_method_is_known",
            ),
            models.CheckConstraint(
                condition=Q(payment_terms_days__lte=365), name="payment_terms_within_a_year"
            ),
        ]

    def __str__(self) -> str:
        return f"Billing settings of {self.workspace_id}"
