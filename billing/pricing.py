"""Prices in force: which price a workspace's use has on a day, and where it comes from.

In this order: the workspace's override, its own rate card, its tier's, and else its markup, which
is not kept here. Within a card the most specific rate wins.
"""

import bisect
import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple, TypeVar
from uuid import UUID

from django.db.models import Q

from billing import months
from billing.models import PriceOverride, RateCardAssignment, RateCardVersion, Workspace
from billing.rating import Price, RecordPrice
from billing.text import recorded_name

T = TypeVar("T")


class Matched(NamedTuple):
    """What a price is for; an empty text means any."""

    resource_type: str
    provider: str
    model: str

    @property
    def label(self) -> str:
        return " · ".join(part for part in self if part) or "any"

    @property
    def as_recorded(self) -> "Matched":
        """With provider and model as records name them: else it would never match one."""
        return Matched(self.resource_type, recorded_name(self.provider), recorded_name(self.model))


class RatePrice(NamedTuple):
    """What one rate of a published version, or one override, says."""

    match: Matched
    price: Price


class PriceInForce(NamedTuple):
    """`source` is `override`, `workspace_card` or `tier_card`; `rate_id` is the override's or the
    rate's, and `rate_hex` its text. `of_records` prices records by it."""

    source: str
    rate_id: UUID
    match: Matched
    price: Price
    min_margin_percentage: Decimal | None
    card: str | None
    version: int | None
    of_records: RecordPrice
    rate_hex: str


_ANY = Matched("", "", "")
_Rates = dict[Matched, PriceInForce]


def _specific_first(resource_type: str, provider: str, model: str) -> Iterator[Matched]:
    """Every match that holds for a use, the most specific one first."""
    yield Matched(resource_type, provider, model)
    yield Matched(resource_type, provider, "")
    yield Matched(resource_type, "", model)
    yield Matched(resource_type, "", "")
    yield Matched("", "", "")


def most_specific(rates: Mapping[Matched, T], use: Matched) -> T | None:
    """Of rates by what they are for, the one for a use."""
    for match in _specific_first(*use):
        if match in rates:
            return rates[match]
    return None


def _rank(match: Matched) -> tuple[bool, ...]:
    """Larger for what is more specific, as `_specific_first` goes."""
    return bool(match.resource_type), bool(match.provider), bool(match.model)


# A published version never changes, so it is read once.
@lru_cache(maxsize=512)
def _rates_of(version_id: UUID, source: str) -> _Rates:
    version = RateCardVersion.objects.select_related("card").get(pk=version_id)
    return {
        Matched(*rate.match): PriceInForce(
            source,
            rate.pk,
            Matched(*rate.match),
            rate.price,
            rate.min_margin_percentage,
            version.card.name,
            version.number,
            RecordPrice(rate.price),
            rate.pk.hex,
        )
        for rate in version.rates.all()
    }


class _Span(NamedTuple):
    """A card in use on `[starts_on, ends_on)`: its published versions by the day they begin."""

    starts_on: dt.date
    ends_on: dt.date | None
    days: list[dt.date]
    versions: list[UUID]

    def rates_on(self, day: dt.date, source: str) -> _Rates | None:
        if not months.holds_on(day, self.starts_on, self.ends_on):
            return None
        place = bisect.bisect_right(self.days, day)
        return _rates_of(self.versions[place - 1], source) if place else None


class PriceList:
    """Every price of one workspace that is not its markup, on any day."""

    def __init__(self) -> None:
        self._overrides: list[tuple[dt.date, dt.date | None, PriceInForce]] = []
        self._own: list[_Span] = []
        self._tier: list[_Span] = []
        self._found: dict[tuple[str, str, str, str], PriceInForce | None] = {}

    def price_for(
        self, usage_date: str, resource_type: str, provider: str, model: str = ""
    ) -> PriceInForce | None:
        """The price of a use on a day (`2026-11-30`); None: the workspace's markup."""
        key = (usage_date, resource_type, provider, model)
        try:
            return self._found[key]
        except KeyError:
            pass
        if len(self._found) > 10_000:
            self._found.clear()
        found = self._found[key] = self._find(
            self.rates_on(dt.date.fromisoformat(usage_date)), resource_type, provider, model
        )
        return found

    @staticmethod
    def _find(
        layers: list[_Rates], resource_type: str, provider: str, model: str
    ) -> PriceInForce | None:
        use = Matched(resource_type, provider, model)
        for rates in layers:
            if (found := most_specific(rates, use)) is not None:
                return found
        return None

    def in_order(self, day: dt.date) -> list[PriceInForce]:
        """What holds on a day, in the order in which it is looked for: the first that matches a
        use is its price. What can match nothing any more is left out."""
        found = []
        for rates in self.rates_on(day):
            found += sorted(rates.values(), key=lambda price: _rank(price.match), reverse=True)
            if _ANY in rates:
                break
        return found

    def rates_on(self, day: dt.date) -> list[_Rates]:
        """What may apply on a day: overrides, then the own card, then the tier's."""
        overrides = {
            price.match: price
            for starts_on, ends_on, price in self._overrides
            if months.holds_on(day, starts_on, ends_on)
        }
        layers = [overrides]
        for source, spans in (("workspace_card", self._own), ("tier_card", self._tier)):
            layers += [rates for span in spans if (rates := span.rates_on(day, source)) is not None]
        return [rates for rates in layers if rates]


def price_lists(workspace_ids: Iterable[UUID]) -> dict[UUID, PriceList]:
    """The price lists of those workspaces that have a card or an override, in four queries."""
    workspaces = {
        row[0]: (row[1], row[2])
        for row in Workspace.objects.filter(pk__in=list(workspace_ids)).values_list(
            "pk", "tier_id", "currency"
        )
    }
    found: dict[UUID, PriceList] = defaultdict(PriceList)
    overrides = PriceOverride.objects.filter(workspace__in=workspaces)
    for override in overrides:
        found[override.workspace_id]._overrides.append(
            (override.starts_on, override.ends_on, _of_override(override))
        )
    assignments = list(
        RateCardAssignment.objects.filter(
            Q(workspace__in=workspaces) | Q(tier__in={tier for tier, _ in workspaces.values()})
        )
    )
    versions = _published({assignment.card_id for assignment in assignments})
    for assignment in assignments:
        days, ids = versions.get(assignment.card_id, ([], []))
        span = _Span(assignment.starts_on, assignment.ends_on, days, ids)
        if assignment.workspace_id is not None:
            found[assignment.workspace_id]._own.append(span)
            continue
        for workspace_id, (tier, currency) in workspaces.items():
            if (tier, currency) == (assignment.tier_id, assignment.currency):
                found[workspace_id]._tier.append(span)
    return dict(found)


def _of_override(override: PriceOverride) -> PriceInForce:
    return PriceInForce(
        "override",
        override.pk,
        Matched(*override.match),
        override.price,
        override.min_margin_percentage,
        None,
        None,
        RecordPrice(override.price),
        override.pk.hex,
    )


def _published(card_ids: set[UUID]) -> dict[UUID, tuple[list[dt.date], list[UUID]]]:
    found: dict[UUID, tuple[list[dt.date], list[UUID]]] = {}
    rows = (
        RateCardVersion.objects.filter(
            card__in=card_ids, status="published", effective_from__isnull=False
        )
        .order_by("effective_from")
        .values_list("card_id", "effective_from", "pk")
    )
    for card_id, effective_from, version_id in rows:
        days, ids = found.setdefault(card_id, ([], []))
        assert effective_from is not None
        days.append(effective_from)
        ids.append(version_id)
    return found
