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

from billing.errors import Conflict, Invalid
from billing.issuers import account_of
from billing.models import (
    BillingPeriod,
    SubscriptionTier,
    Workspace,
    WorkspaceBillingSettings,
    WorkspaceMember,
)
from billing.money import CURRENCIES
from billing.services.members import known_address, set_member
from billing.services.suspensions import set_status
from billing.services.tax_numbers import note_tax_number
from billing.services.tier_changes import (
    begin_tier,
    first_day_not_opened,
    first_day_of_change,
)
from billing.services.workspace_details import BILLING_DETAILS, change_details
from billing.signals import account_changes, admission_changed, billing_details_changed
from billing.text import UnfitText, printable_line


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


def update_workspace(
    *, workspace_id: UUID, changes: dict[str, Any], now: dt.datetime, card_stays: bool = True
) -> Workspace:
    """Change name, tier, timezone, currency, billing details or status; only what `changes` names.
    Without `card_stays` an issuing entity is refused whose Stripe account cannot charge its card.

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
        before = account_of(workspace.issuing_entity)
        change_details(workspace, changed)
        if not card_stays and (after := account_of(workspace.issuing_entity)) != before:
            account_changes.send(
                Workspace, workspace_id=workspace_id, now=now, before=before, after=after
            )
        if changed:
            workspace.save()
        if {"tax_id", "address_country"} & changed.keys():
            note_tax_number(workspace, now)
        if "status" in changed:
            set_status(workspace, changed["status"], now)
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
