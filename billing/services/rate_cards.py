"""Rate cards: drafts, publishing and worked examples. Each verb is one transaction.

What is published never changes and never reaches back: a repair of the past is to void records
and record them again.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet

from billing import months
from billing.errors import Conflict, Invalid, NotFound
from billing.models import (
    Rate,
    RateCard,
    RateCardAssignment,
    RateCardVersion,
    Workspace,
)
from billing.money import CURRENCIES
from billing.pricing import Matched
from billing.rating import (
    CostPlus,
    Fault,
    Package,
    Price,
    depends_on_period,
    price_as_json,
    quote,
    shared_evenly,
)
from billing.rating.prices import Graduated, Volume
from billing.services.faults import FaultyInput

MAX_RATES = 1000
# What an example is worked for, where no tier says more.
_EXAMPLE_QUANTITIES = (Decimal(1), Decimal(100), Decimal(1000))


class NewRate(NamedTuple):
    match: Matched
    price: Price
    min_margin_percentage: Decimal | None = None


class BadRateCard(FaultyInput):
    """What is wrong with a version, each with a pointer to it."""

    whole = "The card"


class NameTaken(Conflict):
    code = "name_taken"


class VersionPublished(Conflict):
    code = "version_published"


def create_card(
    *,
    name: str,
    currency: str,
    now: dt.datetime,
    description: str = "",
    rates: Sequence[NewRate] | None = None,
) -> RateCard:
    """A card; with `rates`, its first draft too."""
    if currency not in CURRENCIES:
        raise Invalid(
            f"{currency!r} is not a currency that can be billed.",
            field="currency",
            code="unknown_currency",
        )
    with transaction.atomic():
        if RateCard.objects.filter(name=name).exists():
            raise NameTaken(f"There is a rate card called {name!r}.", field="name")
        card = RateCard.objects.create(
            name=name, currency=currency, description=description, created_at=now
        )
        if rates is not None:
            create_version(card_id=card.pk, rates=rates, now=now)
    return card


def create_version(*, card_id: UUID, rates: Sequence[NewRate], now: dt.datetime) -> RateCardVersion:
    """A draft with the next number."""
    with transaction.atomic():
        card = RateCard.objects.select_for_update().filter(pk=card_id).first()
        if card is None:
            raise NotFound("There is no such rate card.")
        last = card.versions.order_by("-number").values_list("number", flat=True).first()
        version = RateCardVersion.objects.create(card=card, number=(last or 0) + 1, created_at=now)
        _add_rates(version, rates)
    return version


def copy_version(*, version_id: UUID, now: dt.datetime) -> RateCardVersion:
    """A draft that says what another version does, to be changed and published."""
    version = RateCardVersion.objects.get(pk=version_id)
    rates = [
        NewRate(Matched(*rate.match), rate.price, rate.min_margin_percentage)
        for rate in version.rates.all()
    ]
    return create_version(card_id=version.card_id, rates=rates, now=now)


def replace_rates(*, version_id: UUID, rates: Sequence[NewRate]) -> RateCardVersion:
    """The rates of a draft, in place of those it had."""
    with transaction.atomic():
        version = _locked_draft(pk=version_id)
        version.rates.all().delete()
        _add_rates(version, rates)
    return version


def _add_rates(version: RateCardVersion, rates: Sequence[NewRate]) -> None:
    rates = [rate._replace(match=rate.match.as_recorded) for rate in rates]
    faults = list(match_faults(rates))
    if faults:
        raise BadRateCard(faults)
    Rate.objects.bulk_create(
        [
            Rate(
                version=version,
                resource_type=rate.match.resource_type,
                provider=rate.match.provider,
                model=rate.match.model,
                price_json=price_as_json(rate.price),
                min_margin_percentage=rate.min_margin_percentage,
            )
            for rate in rates
        ]
    )


def match_faults(rates: Sequence[NewRate]) -> Iterable[Fault]:
    if len(rates) > MAX_RATES:
        yield Fault("/rates", "too_many_rates", f"At most {MAX_RATES} rates are kept.")
        return
    seen: dict[Matched, int] = {}
    for index, rate in enumerate(rates):
        pointer = f"/rates/{index}/match"
        if rate.match in seen:
            detail = f"The rate at {seen[rate.match]} is for the same."
            yield Fault(pointer, "duplicate_match", detail)
        seen.setdefault(rate.match, index)
        if not rate.match.resource_type and any(rate.match):
            detail = "A provider or a model needs a resource_type."
            yield Fault(f"{pointer}/resource_type", "required", detail)


def _locked_draft(**lookup: Any) -> RateCardVersion:
    version = RateCardVersion.objects.select_for_update().filter(**lookup).first()
    if version is None:
        raise NotFound("There is no such version.")
    if not version.is_draft:
        raise VersionPublished(
            "This version is published and never changes: copy it into a new draft."
        )
    return version


def publish_version(
    *, version_id: UUID, effective_from: dt.date, now: dt.datetime
) -> RateCardVersion:
    """Let the draft hold from a day on, each workspace's own midnight.

    Raises `BadRateCard` with everything that stands against it.
    """
    with transaction.atomic():
        # Of two drafts that are published for one day the second waits, and is told so.
        RateCard.objects.select_for_update(no_key=True).filter(versions=version_id).first()
        version = _locked_draft(pk=version_id)
        faults = [*publishing_faults(version), *_faults_of_start(version, effective_from, now)]
        if faults:
            raise BadRateCard(faults)
        version.status = RateCardVersion.Status.PUBLISHED
        version.effective_from = effective_from
        version.published_at = now
        version.examples = worked_examples(version)
        version.save(update_fields=["status", "effective_from", "published_at", "examples"])
    return version


def publishing_faults(version: RateCardVersion) -> list[Fault]:
    """What keeps a version from being published, whatever the day."""
    rates = list(version.rates.all())
    faults = []
    if not any(rate.match == ("", "", "") for rate in rates):
        detail = "There must be a rate for any use: one without a resource_type."
        faults.append(Fault("/rates", "no_rate_for_any", detail))
    for index, rate in enumerate(rates):
        faults += [
            fault._replace(pointer=f"/rates/{index}{fault.pointer}")
            for fault in whole_month_faults(Matched(*rate.match), rate.price)
        ]
    return faults


def whole_month_faults(match: Matched, price: Price) -> Iterable[Fault]:
    """What keeps a price that depends on its whole month from a match."""
    if depends_on_period(price) and not match.resource_type:
        detail = "A price that depends on its whole month adds up units of one resource_type."
        yield Fault("/match/resource_type", "required", detail)


def of_whole_month(version: RateCardVersion | None) -> str:
    """What the first rate is for whose price depends on its whole month; "" without any."""
    rates = version.rates.all() if version else []
    return next((rate.match_label for rate in rates if depends_on_period(rate.price)), "")


def day_fault(
    day: dt.date | None,
    what: str,
    pointer: str,
    beginners: "QuerySet[Workspace] | None" = None,
) -> Iterable[Fault]:
    """Prices of a whole month begin and end with one; those of `beginners` begin on any day of the
    month in which they were made, which is their first."""
    if what and day is not None and day.day != 1:
        if beginners is not None and _are_new_in(day, beginners):
            return
        detail = (
            f"The price for {what} depends on its whole month: the first of a month is expected."
        )
        yield Fault(pointer, "not_a_months_first", detail)


def _are_new_in(day: dt.date, workspaces: "QuerySet[Workspace]") -> bool:
    """Whether each was made in the month of `day`, or will be."""
    first = day.replace(day=1)
    zones = workspaces.order_by("timezone").values_list("timezone", flat=True).distinct()
    return not any(
        workspaces.filter(
            timezone=zone, created_at__lt=months.midnight(first, Workspace(timezone=zone).zone)
        ).exists()
        for zone in zones
    )


def _faults_of_start(
    version: RateCardVersion, effective_from: dt.date, now: dt.datetime
) -> Iterable[Fault]:
    affected = affected_workspaces(version.card, now.date())
    today = latest_today(affected, now)
    if effective_from < today:
        detail = f"Prices do not reach back: {today.isoformat()} or later is expected."
        yield Fault("/effective_from", "in_the_past", detail)
    taken = version.card.versions.filter(status="published", effective_from=effective_from)
    if other := taken.first():
        detail = f"Version {other.number} of this card holds from that day on."
        yield Fault("/effective_from", "day_taken", detail)
    replaced = version_on(version.card.versions.all(), effective_from)
    what = of_whole_month(version) or of_whole_month(replaced)
    yield from day_fault(effective_from, what, "/effective_from", affected)


def latest_today(workspaces: "QuerySet[Workspace]", now: dt.datetime) -> dt.date:
    """The day it is on the most advanced clock of the workspaces; UTC's without any."""
    zones = workspaces.order_by("timezone").values_list("timezone", flat=True).distinct()
    return max(
        (months.local_date(now, Workspace(timezone=zone).zone) for zone in zones),
        default=now.astimezone(dt.UTC).date(),
    )


def version_on(versions: Iterable[RateCardVersion], day: dt.date) -> RateCardVersion | None:
    """Of a card's versions, the one that holds on a day."""
    begun = [
        version
        for version in versions
        if not version.is_draft and version.effective_from and version.effective_from <= day
    ]
    return max(begun, key=lambda version: version.effective_from or dt.date.min, default=None)


def status_of(version: RateCardVersion, in_force: RateCardVersion | None) -> str:
    """`retired` is a published version in whose place a later one has come."""
    begun, now = version.effective_from, in_force and in_force.effective_from
    if not version.is_draft and begun and now and begun < now:
        return "retired"
    return version.status


def affected_workspaces(card: RateCard, on: dt.date) -> "QuerySet[Workspace]":
    """Who uses the card on a day or later."""
    uses = RateCardAssignment.objects.filter(Q(ends_on__isnull=True) | Q(ends_on__gt=on), card=card)
    return Workspace.objects.filter(
        Q(pk__in=uses.values("workspace")) | Q(tier__in=uses.values("tier"), currency=card.currency)
    ).exclude(status=Workspace.Status.CLOSED)


def worked_examples(version: RateCardVersion) -> list[dict[str, Any]]:
    """For each rate, what some quantities come to: shown before, and kept with, a version."""
    return [
        {
            "match": Matched(*rate.match)._asdict(),
            "quantity": f"{quantity:f}",
            "cost": f"{cost:f}",
            "amount": f"{quote(rate.price, shared_evenly(quantity, 1, cost)).amount:f}",
        }
        for rate in version.rates.all()
        for quantity, cost in _example_sizes(rate.price)
    ]


def _example_sizes(price: Price) -> list[tuple[Decimal, Decimal]]:
    match price:
        case CostPlus():
            return [(Decimal(1), Decimal(1)), (Decimal(1), Decimal("0.0125"))]
        case Graduated(tiers=tiers) | Volume(tiers=tiers):
            ends = [tier.up_to for tier in tiers if tier.up_to is not None]
            sizes = [*ends, (ends[-1] if ends else Decimal(0)) + 1]
        case Package(size=size):
            sizes = [Decimal(1), size, size + 1]
        case _:
            sizes = list(_EXAMPLE_QUANTITIES)
    if price.included:
        sizes = [price.included, *(price.included + size for size in sizes)]
    if price.increment is not None:
        sizes = [price.increment.first, price.increment.first + price.increment.step / 2, *sizes]
    return [(size, Decimal(0)) for size in sizes]
