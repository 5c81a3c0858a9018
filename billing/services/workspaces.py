"""Creation and changes of workspaces, inside one transaction each."""

import datetime as dt
import hashlib
import json
from functools import lru_cache
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import available_timezones

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from billing.e_invoices import (
    check_electronic_address,
    is_leitweg_id,
    looks_like_leitweg_id,
)
from billing.errors import Conflict, Invalid
from billing.languages import Language
from billing.models import (
    BillingPeriod,
    IssuingEntity,
    SubscriptionTier,
    Workspace,
    WorkspaceBillingSettings,
    WorkspaceMember,
)
from billing.money import CURRENCIES
from billing.services.members import known_address, set_member
from billing.services.tax_numbers import note_tax_number
from billing.services.tier_changes import (
    begin_tier,
    first_day_not_opened,
    first_day_of_change,
)
from billing.signals import admission_changed, billing_details_changed
from billing.taxnumbers import COUNTRIES, is_tax_number
from billing.text import UnfitText, printable_line

BILLING_DETAILS = (
    "name",
    "billing_email",
    "billing_name",
    "address_line1",
    "address_line2",
    "address_city",
    "address_state",
    "address_postal_code",
    "address_country",
    "tax_id",
    "tax_status",
    "tax_exemption",
    "e_invoice_format",
    "e_invoice_attached",
    "buyer_reference",
    "order_number",
    "electronic_address",
    "electronic_address_scheme",
    "language",
    "custom_fields",
)

MOST_CUSTOM_TEXT = 100
# What says where e-invoices go, and is checked together.
_ROUTING = {
    "e_invoice_format",
    "buyer_reference",
    "electronic_address",
    "electronic_address_scheme",
}


class AlreadyExists(Conflict):
    code = "already_exists"


class TimezoneInUse(Conflict):
    code = "timezone_in_use"


class CurrencyInUse(Conflict):
    code = "currency_in_use"


@lru_cache(maxsize=1)
def timezones() -> frozenset[str]:
    # Two are no place: the machine's own clock, and what a system without one calls it.
    return frozenset(available_timezones()) - {"localtime", "Factory"}


def known_timezone(name: str, *, field: str = "timezone") -> str:
    if name not in timezones():
        raise Invalid(
            f"{name!r} is not a timezone of the IANA database.",
            field=field,
            code="unknown_timezone",
        )
    return name


def tier_with_price(*, name: str, currency: str) -> SubscriptionTier:
    """The tier called `name`, if it has a price in `currency`."""
    if currency not in CURRENCIES:
        raise Invalid(
            f"{currency!r} is not a currency that can be billed.",
            field="currency",
            code="unknown_currency",
        )
    tier = SubscriptionTier.objects.filter(name=name).first()
    if tier is None:
        raise Invalid(f"There is no tier {name!r}.", field="tier", code="unknown_tier")
    if not tier.prices.filter(currency=currency).exists():
        raise Invalid(
            f"Tier {name!r} has no price in {currency}.",
            field="currency",
            code="no_price_in_currency",
        )
    return tier


def create_workspace(
    *,
    workspace_id: UUID | None,
    name: str,
    owner_email: str,
    tier: str,
    currency: str,
    timezone: str,
    now: dt.datetime,
    billing_email: str = "",
) -> tuple[Workspace, bool]:
    """The workspace and whether it is new; the same id with the same facts again changes nothing,
    whatever has been changed since.

    Raises `Invalid` for unknown values and `AlreadyExists` for a taken id with other facts. The
    owner becomes a user who can sign in once a password is set.
    """
    name = named(name)
    owner_email = known_address("owner_email", owner_email)
    billing_email = known_address("billing_email", billing_email) if billing_email else ""
    created_from = fingerprint(name, owner_email.lower(), tier, currency, timezone, billing_email)
    stored = None if workspace_id is None else _made_before(workspace_id, created_from)
    if stored is not None:
        return stored, False
    plan = tier_with_price(name=tier, currency=currency)
    known_timezone(timezone)
    workspace = Workspace(
        id=workspace_id or uuid4(),
        name=name,
        tier=plan,
        currency=currency,
        timezone=timezone,
        billing_email=billing_email or owner_email,
        created_from=created_from,
        created_at=now,
    )
    try:
        with transaction.atomic():
            workspace.save(force_insert=True)
            WorkspaceBillingSettings.objects.create(workspace=workspace)
            set_member(workspace=workspace, email=owner_email, role=WorkspaceMember.Role.OWNER)
    except IntegrityError:
        stored = _made_before(workspace.pk, created_from)
        if stored is None:
            raise
        return stored, False
    return workspace, True


def _made_before(workspace_id: UUID, created_from: str) -> Workspace | None:
    """The workspace, if it was asked for in the same words; raises `AlreadyExists` otherwise."""
    stored = Workspace.objects.filter(pk=workspace_id).first()
    if stored is not None and stored.created_from != created_from:
        raise AlreadyExists(f"Workspace {stored.pk} exists with other facts.", field="id")
    return stored


def fingerprint(*facts: str) -> str:
    """A digest of what something was asked for with."""
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def named(name: str) -> str:
    """A name as it is kept; raises `Invalid`."""
    try:
        line = printable_line(name)
    except UnfitText as error:
        raise Invalid(str(error), field="name", code="invalid_text") from None
    if not line:
        raise Invalid("A name is expected.", field="name", code="blank")
    return line


def update_workspace(*, workspace_id: UUID, changes: dict[str, Any], now: dt.datetime) -> Workspace:
    """Change name, tier, timezone, currency, billing details or status; only what `changes` names.

    A timezone or currency that a billing period was opened with cannot be changed any more: the
    days and amounts already recorded would no longer mean what they say.
    """
    with transaction.atomic():
        workspace = (
            Workspace.objects.select_for_update(no_key=True, of=("self",))
            .select_related("tier", "issuing_entity")
            .get(pk=workspace_id)
        )
        changed = {
            name: value for name, value in changes.items() if value != _stored(workspace, name)
        }
        _refuse_changes_of_what_is_in_use(workspace, changed)
        if "timezone" in changed:
            workspace.timezone = known_timezone(changed["timezone"])
        if "tier" in changed or "currency" in changed:
            workspace.currency = changed.get("currency", workspace.currency)
            workspace.tier = tier_with_price(
                name=changed.get("tier", workspace.tier.name), currency=workspace.currency
            )
            _move_running_periods(workspace, now)
        if "tier" in changed:
            begin_tier(workspace, on=first_day_of_change(workspace, now))
        for name in BILLING_DETAILS:
            if name in changed:
                setattr(workspace, name, changed[name])
        if {"tax_id", "address_country"} & changed.keys():
            _check_tax_number(workspace)
        if {"tax_status", "tax_exemption"} & changed.keys():
            _check_exemption(workspace)
        if _ROUTING & changed.keys():
            _check_routing(workspace)
        if "issuing_entity" in changed:
            workspace.issuing_entity = known_entity(changed["issuing_entity"])
        if {"custom_fields", "issuing_entity"} & changed.keys():
            workspace.custom_fields = _fitting_fields(workspace)
        if "language" in changed and changed["language"] not in Language.values:
            raise Invalid(
                f"{', '.join(Language.values)} are spoken.", field="language", code="invalid_choice"
            )
        if changed:
            workspace.save()
        if {"tax_id", "address_country"} & changed.keys():
            note_tax_number(workspace, now)
        if "status" in changed:
            _set_status(workspace, changed["status"], now)
        if any(name in changed for name in BILLING_DETAILS):
            billing_details_changed.send(Workspace, workspace_id=workspace.pk, now=now)
        return workspace


def _stored(workspace: Workspace, name: str) -> Any:
    """What a change would change: of a tier its name, of an issuing entity its code."""
    if name == "tier":
        return workspace.tier.name
    if name == "issuing_entity":
        return workspace.issuing_entity.code if workspace.issuing_entity else None
    return getattr(workspace, name)


def known_entity(code: str | None) -> IssuingEntity | None:
    """The one who invoices; None for the issuer whom the settings name."""
    if not code:
        return None
    entity = IssuingEntity.objects.filter(code=code).first()
    if entity is None:
        raise Invalid(
            f"There is no issuing entity {code!r}.", field="issuing_entity", code="unknown_entity"
        )
    return entity


def _fitting_fields(workspace: Workspace) -> dict[str, str]:
    """The custom fields that its issuing entity has; raises `Invalid` for what is no text."""
    known = workspace.issuing_entity.custom_fields if workspace.issuing_entity else []
    given = workspace.custom_fields or {}
    if not isinstance(given, dict):
        raise Invalid("Names and texts are expected.", field="custom_fields", code="invalid")
    kept = {}
    for name, text in given.items():
        if name not in known or not isinstance(text, str) or len(text) > MOST_CUSTOM_TEXT:
            has = ", ".join(known) or "none"
            raise Invalid(
                f"{name!r} is no text of a custom field of its issuing entity, which has: {has}.",
                field="custom_fields",
                code="unknown_field",
            )
        try:
            line = printable_line(text)
        except UnfitText as error:
            raise Invalid(str(error), field="custom_fields", code="invalid_text") from None
        if line:
            kept[name] = line
    return kept


def _refuse_changes_of_what_is_in_use(workspace: Workspace, changed: dict[str, Any]) -> None:
    if not {"timezone", "currency"} & changed.keys():
        return
    if "currency" in changed and _has_amounts(workspace):
        raise CurrencyInUse(
            "The currency cannot change any more: its add-ons, commitments, discounts and lines by"
            " hand are in it.",
            field="currency",
        )
    if not workspace.periods.exists():
        return
    if "timezone" in changed:
        raise TimezoneInUse(
            "The timezone cannot change any more: usage is recorded in it.", field="timezone"
        )
    raise CurrencyInUse(
        "The currency cannot change any more: usage is recorded in it.", field="currency"
    )


def _has_amounts(workspace: Workspace) -> bool:
    return (
        workspace.add_ons.exists()
        or workspace.commitments.exists()
        or workspace.discounts.filter(amount__isnull=False).exists()
        or workspace.manual_items.exclude(status="cancelled").exists()
    )


def _check_tax_number(workspace: Workspace) -> None:
    country = workspace.address_country
    if country and country not in COUNTRIES:
        raise Invalid(
            "A country's two capital letters are expected, as US or DE (ISO 3166).",
            field="address_country",
            code="invalid_country",
        )
    if workspace.tax_id and not is_tax_number(workspace.tax_id, country=country):
        raise Invalid(
            f"{workspace.tax_id!r} cannot be a tax number"
            + (f" of a company in {country}." if country else "."),
            field="tax_id",
            code="invalid_tax_id",
        )


def _check_exemption(workspace: Workspace) -> None:
    is_exempt = workspace.tax_status == Workspace.TaxStatus.EXEMPT
    if is_exempt and not workspace.tax_exemption:
        raise Invalid(
            "An exempt customer's invoices say why: a certificate or an article is expected.",
            field="tax_exemption",
            code="blank",
        )
    if not is_exempt and workspace.tax_exemption:
        raise Invalid(
            "Only an exempt customer has a reason for it.",
            field="tax_exemption",
            code="not_exempt",
        )


def _check_routing(workspace: Workspace) -> None:
    """What has a form is of it. What is only missing is no error: `missing_details` says it."""
    check_electronic_address(workspace.electronic_address, workspace.electronic_address_scheme)
    reference = workspace.buyer_reference
    if (
        workspace.e_invoice_format == Workspace.EInvoiceFormat.XRECHNUNG
        and looks_like_leitweg_id(reference)
        and not is_leitweg_id(reference)
    ):
        raise Invalid(
            f"{reference!r} is not a Leitweg-ID: its check digits are wrong.",
            field="buyer_reference",
            code="invalid_leitweg_id",
        )


def _move_running_periods(workspace: Workspace, now: dt.datetime) -> None:
    """A new tier holds for the period that runs now; one that has ended keeps its own."""
    workspace.periods.filter(status=BillingPeriod.Status.CURRENT, period_end__gt=now).update(
        tier=workspace.tier
    )


def change_tier_from_next_period(*, workspace_id: UUID, tier: str, now: dt.datetime) -> bool:
    """Put the workspace on `tier` for periods opened from now on; whether anything changed."""
    with transaction.atomic():
        workspace = Workspace.objects.select_for_update(no_key=True).get(pk=workspace_id)
        plan = tier_with_price(name=tier, currency=workspace.currency)
        if workspace.tier_id == plan.pk:
            return False
        workspace.tier = plan
        workspace.save(update_fields=["tier", "updated_at"])
        begin_tier(workspace, on=first_day_not_opened(workspace, now))
        return True


def _set_status(workspace: Workspace, status: str, now: dt.datetime) -> None:
    if status == Workspace.Status.ACTIVE:
        workspace.suspension_reason = ""
    elif status == Workspace.Status.SUSPENDED:
        workspace.suspension_reason = Workspace.SuspensionReason.MANUAL
    else:
        workspace.suspension_reason = ""
    workspace.status = status
    workspace.save(update_fields=["status", "suspension_reason", "updated_at"])
    admission_changed.send(Workspace, workspace_id=workspace.pk, now=now)


def suspend_for_payment(*, workspace_id: UUID, now: dt.datetime) -> bool:
    """Suspend an active workspace until it has paid; whether it changed."""
    with transaction.atomic():
        workspace = Workspace.objects.select_for_update(no_key=True).get(pk=workspace_id)
        if workspace.status != Workspace.Status.ACTIVE:
            return False
        workspace.status = Workspace.Status.SUSPENDED
        workspace.suspension_reason = Workspace.SuspensionReason.PAYMENT
        workspace.save(update_fields=["status", "suspension_reason", "updated_at"])
        admission_changed.send(Workspace, workspace_id=workspace_id, now=now)
        return True


def reactivate_after_payment(*, workspace_id: UUID, now: dt.datetime) -> bool:
    """Lift a suspension for payment; one made by staff stays. Whether it changed."""
    with transaction.atomic():
        workspace = Workspace.objects.select_for_update(no_key=True).get(pk=workspace_id)
        if workspace.suspension_reason != Workspace.SuspensionReason.PAYMENT:
            return False
        _set_status(workspace, Workspace.Status.ACTIVE, now)
        return True


def update_billing_settings(
    *,
    workspace_id: UUID,
    changes: dict[str, Any],
    now: dt.datetime,
    consequences: list[str] | None = None,
) -> WorkspaceBillingSettings:
    """Change the terms named in `changes` (validated `WorkspaceBillingSettings` fields).

    What followed from it, as agents that were paused, is added to `consequences` in sentences.
    """
    with transaction.atomic():
        Workspace.objects.select_for_update(no_key=True).get(pk=workspace_id)
        terms = WorkspaceBillingSettings.objects.get(workspace_id=workspace_id)
        for name, value in changes.items():
            setattr(terms, name, value)
        try:
            terms.full_clean(exclude=["workspace"])
        except ValidationError as error:
            field, messages = next(iter(error.message_dict.items()))
            raise Invalid(messages[0], field=None if field == "__all__" else field) from None
        terms.save()
        followed = admission_changed.send(
            WorkspaceBillingSettings, workspace_id=workspace_id, now=now
        )
        if consequences is not None:
            consequences += [sentence for _, sentence in followed if sentence]
        return terms
