"""Who issues documents: companies with their looks, bank accounts and series of numbers.

Without any, the settings name the one issuer (`billing.issuers`).
"""

import uuid
from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone as clock
from stdnum.iso7064 import mod_97_10

from billing.colours import readable_on_white
from billing.models.fields import (
    EmailAddressField,
    LineField,
    StripeAccountField,
    names_an_account,
)
from billing.money import CURRENCIES
from billing.stripe_accounts import configured_accounts, is_configured, setting_of
from billing.taxnumbers import COUNTRIES

ACCENT = "#2f55d4"
CODE = RegexValidator(r"\A[A-Z][A-Z0-9]{0,11}\Z", "A capital letter, then capitals or digits; 12.")
_SERIES = RegexValidator(r"\A[A-Z0-9-]{1,12}\Z", "1 to 12 capital letters, digits or hyphens.")
_COLOUR = RegexValidator(r"\A#[0-9a-f]{6}\Z", "A colour as #2f55d4.")
_IBAN = RegexValidator(r"\A[A-Z]{2}[0-9]{2}[A-Z0-9]{10,30}\Z", "An IBAN, without spaces.")
_BIC = RegexValidator(r"\A[A-Z]{4}[A-Z]{2}[A-Z0-9]{2}([A-Z0-9]{3})?\Z", "8 or 11 characters.")
MAX_CUSTOM_FIELDS = 8


def _known_country(code: str) -> None:
    if code not in COUNTRIES:
        raise ValidationError("A country's two capital letters, as DE (ISO 3166).")


class IssuingEntity(models.Model):
    """A company that issues invoices and credit notes, in a series of numbers of its own.

    What of it is printed on a document is frozen with that document (`Letterhead`).
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    code = models.CharField(
        max_length=12,
        unique=True,
        validators=[CODE],
        help_text="Names it in the API and in file names, as DE. Fixed.",
    )
    series = models.CharField(
        max_length=12,
        unique=True,
        validators=[_SERIES],
        help_text="How its numbers begin: invoices DE-2026-000001, credit notes"
        " DE-CN-2026-000001. Fixed.",
    )
    name = LineField(max_length=200, help_text="The company's full name, as registered.")
    address_line1 = LineField(max_length=200)
    address_line2 = LineField(max_length=200, blank=True)
    address_postal_code = LineField(max_length=20, blank=True)
    address_city = LineField(max_length=100)
    address_state = LineField(max_length=100, blank=True)
    address_country = models.CharField(
        max_length=2, validators=[_known_country], help_text="ISO 3166, as DE."
    )
    tax_id = LineField(
        max_length=40, blank=True, help_text="Its VAT number, or whatever stands in its place."
    )
    tax_number = LineField(
        max_length=40, blank=True, help_text="The number at its tax office, where it has another."
    )
    register = LineField(
        max_length=200, blank=True, help_text="As Amtsgericht Charlottenburg, HRB 123456 B."
    )
    directors = LineField(max_length=200, blank=True, help_text="As the law wants them named.")
    contact_name = LineField(max_length=100, blank=True)
    email = EmailAddressField(max_length=254, help_text="Whom documents tell to write to.")
    phone = LineField(max_length=40, blank=True)
    electronic_address = LineField(
        max_length=200,
        blank=True,
        db_default="",
        help_text="Where its e-invoices come from: in Peppol, its participant. Empty: the e-mail.",
    )
    electronic_address_scheme = models.CharField(
        "scheme of the address",
        max_length=4,
        blank=True,
        db_default="",
        help_text="EAS code of it, as 9930 (German VAT number), 0088 (GLN) or EM (e-mail).",
    )
    website = LineField(max_length=200, blank=True)
    colour = models.CharField(
        max_length=7,
        default=ACCENT,
        validators=[_COLOUR, readable_on_white],
        help_text="Of the bar and the links of its documents; dark enough to be read on white.",
    )
    logo = models.BinaryField(blank=True, default=b"", editable=False)
    logo_digest = models.CharField(max_length=64, blank=True, editable=False)
    footer = models.TextField(
        max_length=500, blank=True, help_text="Small print at the foot of each page; three lines."
    )
    legal_text = models.TextField(
        max_length=1000, blank=True, help_text="Printed below the totals of every document."
    )
    custom_fields: Any = ArrayField(
        LineField(max_length=40),
        default=list,
        blank=True,
        size=MAX_CUSTOM_FIELDS,
        help_text="What its customers may have printed besides their order number, separated by"
        " commas: Cost centre, Supplier number.",
    )
    stripe_account = StripeAccountField(
        "Stripe account",
        help_text="Where its customers' cards are charged; accounts and their keys are in the"
        " settings. What it has issued stays in the account it was issued for.",
    )
    created_at = models.DateTimeField(default=clock.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["code"]
        verbose_name_plural = "issuing entities"
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(code__regex=r"^[A-Z][A-Z0-9]{0,11}$"),
                name="issuing_entity_code_is_plain",
            ),
            models.CheckConstraint(
                # Credit notes count in the series with -CN behind it.
                condition=Q(series__regex=r"^[A-Z0-9-]{1,12}$") & ~Q(series__endswith="-CN"),
                name="issuing_entity_series_is_plain",
            ),
            models.CheckConstraint(
                condition=Q(colour__regex=r"^#[0-9a-f]{6}$"), name="issuing_entity_colour_is_hex"
            ),
            models.CheckConstraint(
                condition=~Q(name="") & Q(address_country__regex=r"^[A-Z]{2}$"),
                name="issuing_entity_has_a_name_and_a_country",
            ),
            models.CheckConstraint(
                condition=Q(electronic_address="", electronic_address_scheme="")
                | ~Q(electronic_address="") & ~Q(electronic_address_scheme=""),
                name="issuing_entitys_electronic_address_has_a_scheme",
            ),
            names_an_account("issuing_entity_names_a_stripe_account"),
        ]

    def __str__(self) -> str:
        return f"{self.code}: {self.name}"

    def clean(self) -> None:
        if not is_configured(self.stripe_account):
            known = ", ".join(configured_accounts())
            raise ValidationError(
                {
                    "stripe_account": f"{self.stripe_account} is no Stripe account of the settings"
                    f" ({known}): {setting_of(self.stripe_account)} has no key."
                }
            )


class IssuerBankAccount(models.Model):
    """Where an issuing entity is paid by transfer in a currency."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    entity = models.ForeignKey(
        IssuingEntity, on_delete=models.CASCADE, related_name="bank_accounts"
    )
    currency = models.CharField(max_length=3, help_text="ISO 4217, as EUR.")
    bank = LineField(max_length=100, blank=True)
    iban = models.CharField("IBAN", max_length=34, blank=True, validators=[_IBAN])
    bic = models.CharField("BIC", max_length=11, blank=True, validators=[_BIC])
    account = LineField(
        max_length=100,
        blank=True,
        help_text="Where there is no IBAN: account, routing number, branch, as customers need it.",
    )

    class Meta:
        ordering = ["currency"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["entity", "currency"], name="one_bank_account_per_entity_and_currency"
            ),
            models.CheckConstraint(
                condition=Q(currency__regex=r"^[A-Z]{3}$") & (~Q(iban="") | ~Q(account="")),
                name="bank_account_has_a_currency_and_a_number",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.currency} {self.iban or self.account}"

    def clean(self) -> None:
        if self.currency not in CURRENCIES:
            raise ValidationError({"currency": "A currency that can be billed, as EUR."})
        if not self.iban and not self.account:
            raise ValidationError({"iban": "An IBAN, or an account, is expected."})
        if self.iban and not mod_97_10.is_valid(self.iban[4:] + self.iban[:4]):
            raise ValidationError({"iban": "The check digits of this IBAN do not fit."})


class Letterhead(models.Model):
    """An issuer as documents print it, kept once for all that were issued with it; never changed.

    `facts` are those of `billing.issuers.Issuer`, and `digest` names them with the logo.
    """

    digest = models.CharField(primary_key=True, max_length=64, editable=False)
    facts = models.JSONField()
    logo = models.BinaryField(blank=True, default=b"")
    created_at = models.DateTimeField(default=clock.now, editable=False)

    def __str__(self) -> str:
        return str(self.facts["name"]) if "name" in self.facts else self.digest
