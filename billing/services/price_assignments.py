"""Who pays by a rate card, and overrides of it, each from a day on. Each verb is one transaction.

Days are each workspace's own, and none lies in the past: prices do not reach back.
"""

import datetime as dt
from collections.abc import Iterable
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet

from billing.errors import Conflict, Invalid, NotFound
from billing.models import (
    PriceOverride,
    RateCard,
    RateCardAssignment,
    SubscriptionTier,
    Workspace,
)
from billing.rating import Fault, depends_on_period, price_as_json
from billing.services.overlaps import no_overlap
from billing.services.rate_card_rules import (
    NewRate,
    day_fault,
    latest_today,
    match_faults,
    of_whole_month,
    version_on,
    whole_month_faults,
)
from billing.services.rate_cards import BadRateCard


def assign_card(
    *,
    card_id: UUID,
    starts_on: dt.date,
    now: dt.datetime,
    ends_on: dt.date | None = None,
    workspace_id: UUID | None = None,
    tier: str | None = None,
) -> RateCardAssignment:
    """Have a workspace, or a tier's workspaces of the card's currency, pay by the card."""
    card = RateCard.objects.filter(pk=card_id).first()
    if card is None:
        raise NotFound("There is no such rate card.")
    if (workspace_id is None) == (tier is None):
        raise Invalid("Either a workspace or a tier is needed.", field="workspace_id")
    workspace = plan = None
    users = Workspace.objects.all()
    if workspace_id is not None:
        workspace = _known_workspace(workspace_id)
        users = users.filter(pk=workspace_id)
        if workspace.currency != card.currency:
            raise Invalid(
                f"The workspace pays in {workspace.currency}, the card is in {card.currency}.",
                field="workspace_id",
                code="other_currency",
            )
    else:
        plan = SubscriptionTier.objects.filter(name=tier).first()
        if plan is None:
            raise Invalid(f"There is no tier {tier!r}.", field="tier", code="unknown_tier")
        users = users.filter(tier=plan, currency=card.currency)
    _check_days(starts_on, ends_on, today=latest_today(users, now))
    _check_start(card, starts_on, ends_on, users)
    _check_months(card, ends_on, "ends_on")
    with no_overlap("Another rate card is assigned for some of these days: end that one first."):
        return RateCardAssignment.objects.create(
            card=card,
            currency=card.currency,
            workspace=workspace,
            tier=plan,
            starts_on=starts_on,
            ends_on=ends_on,
            created_at=now,
        )


def add_override(
    *,
    workspace_id: UUID,
    rate: NewRate,
    starts_on: dt.date,
    reason: str,
    now: dt.datetime,
    ends_on: dt.date | None = None,
) -> PriceOverride:
    """A workspace's own price for a match, whatever its card says."""
    workspace = _known_workspace(workspace_id)
    rate = rate._replace(match=rate.match.as_recorded)
    faults = [*match_faults([rate]), *whole_month_faults(rate.match, rate.price)]
    if faults:
        raise BadRateCard(
            fault._replace(pointer=fault.pointer.removeprefix("/rates/0")) for fault in faults
        )
    if not reason.strip():
        raise Invalid("A reason is needed.", field="reason", code="blank")
    user = Workspace.objects.filter(pk=workspace.pk)
    _check_days(starts_on, ends_on, today=latest_today(user, now))
    what = rate.match.label if depends_on_period(rate.price) else ""
    _refuse(day_fault(starts_on, what, "starts_on", user))
    _refuse(day_fault(ends_on, what, "ends_on"))
    with no_overlap("Another override holds for some of these days: end that one first."):
        return PriceOverride.objects.create(
            workspace=workspace,
            **rate.match._asdict(),
            price_json=price_as_json(rate.price),
            min_margin_percentage=rate.min_margin_percentage,
            starts_on=starts_on,
            ends_on=ends_on,
            reason=reason.strip(),
            created_at=now,
        )


def end_assignment(
    *, assignment_id: UUID, ends_on: dt.date, now: dt.datetime
) -> RateCardAssignment:
    """From `ends_on` the card no longer holds for them. On its own first day: never."""
    with transaction.atomic():
        row = RateCardAssignment.objects.select_for_update().filter(pk=assignment_id).first()
        if row is None:
            raise NotFound("There is no such assignment.")
        users = Workspace.objects.filter(
            Q(pk=row.workspace_id) | Q(tier=row.tier_id, currency=row.currency)
        )
        if ends_on != row.starts_on:
            _check_months(row.card, ends_on, "ends_on")
        _end(row, ends_on, latest_today(users, now))
    return row


def end_override(*, override_id: UUID, ends_on: dt.date, now: dt.datetime) -> PriceOverride:
    """From `ends_on` the workspace pays what its card says. On its own first day: never."""
    with transaction.atomic():
        row = PriceOverride.objects.select_for_update().filter(pk=override_id).first()
        if row is None:
            raise NotFound("There is no such override.")
        if ends_on != row.starts_on and depends_on_period(row.price):
            _refuse(day_fault(ends_on, row.match_label, "ends_on"))
        _end(row, ends_on, latest_today(Workspace.objects.filter(pk=row.workspace_id), now))
    return row


def _end(row: RateCardAssignment | PriceOverride, ends_on: dt.date, today: dt.date) -> None:
    if row.ends_on is not None and row.ends_on <= today:
        raise Conflict("It has ended already.", code="has_ended")
    earliest = max(today, row.starts_on)
    if ends_on < earliest:
        raise Invalid(
            f"Prices do not reach back: {earliest.isoformat()} or later is expected.",
            field="ends_on",
            code="in_the_past",
        )
    row.ends_on = ends_on
    with no_overlap("Another one begins before that day.", field="ends_on"):
        row.save(update_fields=["ends_on"])


def _check_start(
    card: RateCard,
    starts_on: dt.date,
    ends_on: dt.date | None,
    users: "QuerySet[Workspace]",
) -> None:
    """Refuse to begin within a month with prices that depend on all of it, be it by a version that
    holds later."""
    versions = list(card.versions.prefetch_related("rates"))
    _refuse(
        day_fault(starts_on, of_whole_month(version_on(versions, starts_on)), "starts_on", users)
    )
    for version in versions:
        day = version.effective_from
        if day is None or day <= starts_on or (ends_on is not None and day >= ends_on):
            continue
        replaced = version_on(versions, day - dt.timedelta(days=1))
        what = of_whole_month(version) or of_whole_month(replaced)
        _refuse(day_fault(day, what, "starts_on", users))


def _check_months(card: RateCard, day: dt.date | None, field: str) -> None:
    """Refuse a day within a month for a card whose prices of that day depend on the whole month."""
    if day is not None:
        what = of_whole_month(version_on(card.versions.all(), day))
        _refuse(day_fault(day, what, field))


def _refuse(faults: Iterable[Fault]) -> None:
    for fault in faults:
        raise Invalid(fault.detail, field=fault.pointer, code=fault.code)


def _check_days(starts_on: dt.date, ends_on: dt.date | None, *, today: dt.date) -> None:
    if starts_on < today:
        raise Invalid(
            f"Prices do not reach back: {today.isoformat()} or later is expected.",
            field="starts_on",
            code="in_the_past",
        )
    if ends_on is not None and ends_on <= starts_on:
        raise Invalid("Must be after starts_on.", field="ends_on", code="ends_before_its_start")


def _known_workspace(workspace_id: UUID) -> Workspace:
    workspace = Workspace.objects.filter(pk=workspace_id).first()
    if workspace is None:
        raise Invalid(
            f"There is no workspace {workspace_id}.",
            field="workspace_id",
            code="unknown_workspace",
        )
    return workspace
