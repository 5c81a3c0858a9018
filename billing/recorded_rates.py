"""Prices that records name as theirs, by the id of their rate. None of them ever changes."""

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from billing.models import PriceOverride, Rate
from billing.pricing import Matched, RatePrice
from billing.rating import Price

# By their ids. What records name never changes: rates of published versions, and overrides.
_prices: dict[UUID, RatePrice] = {}


_MAX_PRICES = 20_000


def prices_by_rate(rate_ids: Iterable[UUID]) -> dict[UUID, RatePrice]:
    """The prices that records name as theirs; two queries for those not asked for before."""
    wanted = set(rate_ids)
    # Another thread may clear what is remembered at any time.
    found = {rate_id: price for rate_id in wanted if (price := _prices.get(rate_id))}
    if missing := wanted - found.keys():
        read = {
            row.pk: RatePrice(Matched(*row.match), row.price)
            for row in (
                *Rate.objects.filter(pk__in=missing, version__status="published"),
                *PriceOverride.objects.filter(pk__in=missing),
            )
        }
        if len(_prices) + len(read) > _MAX_PRICES:
            _prices.clear()
        _prices.update(read)
        found |= read
    return found


class RateOfRecords(NamedTuple):
    """What a `rate_id` of records stands for: its card's version or an override, and its price."""

    where: str
    card: str | None
    version: int | None
    match: Matched
    price: Price
    min_margin_percentage: Decimal | None
    currency: str


def rates_of_records(rate_ids: Iterable[UUID]) -> dict[UUID, RateOfRecords]:
    """Rates of cards and overrides by their ids, in two queries. None of them ever changes."""
    wanted = set(rate_ids)
    found = {
        rate.pk: RateOfRecords(
            str(rate.version),
            rate.version.card.name,
            rate.version.number,
            Matched(*rate.match),
            rate.price,
            rate.min_margin_percentage,
            rate.version.card.currency,
        )
        for rate in Rate.objects.filter(pk__in=wanted).select_related("version__card")
    }
    overrides = PriceOverride.objects.filter(pk__in=wanted).select_related("workspace")
    for override in overrides:
        found[override.pk] = RateOfRecords(
            f"override from {override.starts_on}",
            None,
            None,
            Matched(*override.match),
            override.price,
            override.min_margin_percentage,
            override.workspace.currency,
        )
    return found
