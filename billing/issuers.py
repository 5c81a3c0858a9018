"""An issuer as documents name it: of an issuing entity, of the settings, or frozen with a document.

Whoever makes a document asks here and nowhere else, so that a document of last year says what it
said then.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from django.conf import settings

from billing.models import IssuingEntity, Letterhead
from billing.models.issuers import ACCENT
from billing.stripe_accounts import DEFAULT, AccountName

# What of an entity is printed as it stands.
_AS_IS = (
    "code name address_line1 address_line2 address_postal_code address_city address_state"
    " address_country tax_id tax_number register directors contact_name email phone website colour"
    " footer legal_text electronic_address electronic_address_scheme"
).split()
_ACCOUNT = ("currency", "bank", "iban", "bic", "account")


@dataclass(frozen=True, slots=True)
class BankAccount:
    """Where a transfer in `currency` goes: an IBAN, or an `account` in words."""

    currency: str
    bank: str = ""
    iban: str = ""
    bic: str = ""
    account: str = ""

    @property
    def spaced_iban(self) -> str:
        """In groups of four, as people read it."""
        return " ".join(self.iban[at : at + 4] for at in range(0, len(self.iban), 4))


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who sends a document. `code` is "" for the one whom the settings name.

    That one's address is `address_line1` alone: in lines, or in one with a comma after the street.
    """

    name: str
    email: str
    code: str = ""
    address_line1: str = ""
    address_line2: str = ""
    address_postal_code: str = ""
    address_city: str = ""
    address_state: str = ""
    address_country: str = ""
    tax_id: str = ""
    tax_number: str = ""
    register: str = ""
    directors: str = ""
    contact_name: str = ""
    phone: str = ""
    website: str = ""
    colour: str = ACCENT
    footer: str = ""
    legal_text: str = ""
    electronic_address: str = ""
    electronic_address_scheme: str = ""
    bank_accounts: tuple[BankAccount, ...] = ()
    logo: bytes = b""

    def bank_account(self, currency: str) -> BankAccount | None:
        return next((each for each in self.bank_accounts if each.currency == currency), None)


def issuer_of(entity: IssuingEntity | None) -> Issuer:
    """As it is today. Reads its bank accounts: prefetch them for many."""
    if entity is None:
        return Issuer(
            name=settings.ISSUER_NAME,
            address_line1=settings.ISSUER_ADDRESS,
            tax_id=settings.ISSUER_TAX_ID,
            email=settings.ISSUER_EMAIL,
        )
    accounts = sorted(entity.bank_accounts.all(), key=lambda each: each.currency)
    return Issuer(
        **{name: getattr(entity, name) for name in _AS_IS},
        bank_accounts=tuple(
            BankAccount(**{name: getattr(each, name) for name in _ACCOUNT}) for each in accounts
        ),
        logo=bytes(entity.logo),
    )


def issuer_then(letterhead: Letterhead | None) -> Issuer:
    """As it was when a document was issued; the settings' today where that was not kept."""
    if letterhead is None:
        return issuer_of(None)
    facts: Mapping[str, Any] = letterhead.facts
    accounts = tuple(BankAccount(**each) for each in facts.get("bank_accounts", ()))
    known = Issuer.__dataclass_fields__.keys() - {"bank_accounts", "logo"}
    return Issuer(
        **{name: value for name, value in facts.items() if name in known},
        bank_accounts=accounts,
        logo=bytes(letterhead.logo),
    )


def freeze(issuer: Issuer) -> Letterhead:
    """The row that says what the issuer is now; the same facts have one row."""
    facts = asdict(issuer)
    logo = facts.pop("logo")
    letterhead, _ = Letterhead.objects.get_or_create(
        digest=digest_of(facts, logo),
        defaults={"facts": json.loads(json.dumps(facts)), "logo": logo},
    )
    return letterhead


def digest_of(facts: Mapping[str, Any], logo: bytes) -> str:
    """What names a letterhead."""
    text = json.dumps(facts, sort_keys=True)
    return hashlib.sha256(text.encode() + b"\0" + logo).hexdigest()


def series_of(entity: IssuingEntity | None) -> str:
    """How the numbers of its invoices begin."""
    return settings.INVOICE_ISSUER if entity is None else entity.series


def account_of(entity: IssuingEntity | None) -> AccountName:
    """The Stripe account that collects what it issues from now on."""
    return DEFAULT if entity is None else entity.stripe_account


def credit_note_series_of(entity: IssuingEntity | None) -> str:
    return f"{series_of(entity)}-CN"
