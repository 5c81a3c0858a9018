"""Rate cards: drafts, publishing and worked examples. Each verb is one transaction.

What is published never changes and never reaches back: a repair of the past is to void records
and record them again.
"""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction

from billing.errors import Conflict, Invalid, NotFound
from billing.models import (
    Rate,
    RateCard,
    RateCardVersion,
)
from billing.money import CURRENCIES
from billing.pricing import Matched
from billing.rating import (
    CostPlus,
    Package,
    Price,
    price_as_json,
    quote,
    shared_evenly,
)
from billing.rating.prices import Graduated, Volume
from billing.services.faults import FaultyInput
from billing.services.rate_card_rules import (
    NewRate,
    faults_of_start,
    match_faults,
    publishing_faults,
)

# What an example is worked for, where no tier says more.
_EXAMPLE_QUANTITIES = (Decimal(1), Decimal(100), Decimal(1000))


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
        faults = [*publishing_faults(version), *faults_of_start(version, effective_from, now)]
        if faults:
            raise BadRateCard(faults)
        version.status = RateCardVersion.Status.PUBLISHED
        version.effective_from = effective_from
        version.published_at = now
        version.examples = worked_examples(version)
        version.save(update_fields=["status", "effective_from", "published_at", "examples"])
    return version


def status_of(version: RateCardVersion, in_force: RateCardVersion | None) -> str:
    """`retired` is a published version in whose place a later one has come."""
    begun, now = version.effective_from, in_force and in_force.effective_from
    if not version.is_draft and begun and now and begun < now:
        return "retired"
    return version.status


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
