"""What-if: what past months would have come to by other prices or other costs.

From rollups, so that ten million records cost as much as their few hundred thousand sums. What
rollups cannot answer (increments, minimums and other things of single records) is computed from the
records, up to `MAX_RECORDS`, or refused; nothing is estimated. Amounts are exact but for the
rounding of each record to ten decimals.

An override stays what it was: it comes before any card. Months that still run count as far as they
have come.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from django.utils import timezone as clock

from analytics.what_if_answer import Sold, WhatIf, compared
from analytics.what_if_costs import Recosted, TriedCosts, costs_of, listed_by_markup
from analytics.what_if_records import listed_from_records
from analytics.what_if_sums import NeedsRecords, PricedSum, WhatIfScope, sums_of
from billing.costs import CostInForce
from billing.models import PriceOverride, RateCardVersion
from billing.money import EXACT, ZERO
from billing.pricing import Matched, RatePrice, most_specific
from billing.rating import CostPlus, Price, depends_on_period, list_unit_price
from billing.recorded_rates import prices_by_rate
from billing.replica import lagging_reads
from billing.services.provider_costs import NewCost
from billing.services.rate_card_rules import NewRate
from usage.queries.meters import meter_adjustment, shared_out

# Rows that one answer lists; the totals are of all.
MAX_ROWS = 1000
MAX_MONTHS = 24
# What is summed from records while someone waits: some seconds.
MAX_RECORDS = 1_000_000
_HUNDRED = Decimal(100)
_ONE = Decimal(1)


class CostChange(NamedTuple):
    """Another cost of what it matches, in per cent of what it was: "-10" is a tenth less."""

    match: Matched
    percentage: Decimal


@dataclass(frozen=True)
class Proposal:
    """Other prices (`rates`, for all that the workspaces used), another `markup` for what was
    priced by one, other costs (`costs` in per cent of what they were, or a `cost_card`), or several
    of these."""

    rates: Sequence[NewRate] = ()
    markup: Decimal | None = None
    costs: Sequence[CostChange] = ()
    cost_card: Sequence[NewCost] = ()


def rates_of(version: RateCardVersion) -> list[NewRate]:
    return [NewRate(Matched(*rate.match), rate.price) for rate in version.rates.all()]


def what_if(scope: WhatIfScope, proposal: Proposal) -> WhatIf:
    """Raises `NeedsRecords` and `NoRateOfDay`. Three queries, and one for each price of single
    records and each currency of costs; from a replica, where there is one."""
    with lagging_reads(now=clock.now()) as as_of:
        return _what_if(scope, proposal, as_of)


def _what_if(scope: WhatIfScope, proposal: Proposal, as_of: dt.datetime) -> WhatIf:
    rows = sums_of(scope)
    present = prices_by_rate({row.rate_id for row in rows if row.rate_id is not None})
    overrides = set(PriceOverride.objects.filter(pk__in=list(present)).values_list("pk", flat=True))
    now = [_as_it_was(row, present) for row in rows]
    costs = _Costs(proposal, scope.currency, rows)
    proposed, record_local = _proposed(rows, now, proposal, overrides, costs)
    by_markup = [place for place, item in enumerate(proposed) if item.follows_cost]
    from_records = sum(rows[place].records for place in {*record_local, *by_markup})
    if from_records > MAX_RECORDS:
        raise NeedsRecords(
            f"{_why(record_local, proposed)} This is computed from the records themselves, which"
            f" here are {from_records:,}; at most {MAX_RECORDS:,} are while you wait: choose"
            " fewer months or workspaces.",
        )
    _compute_from_records(rows, proposed, record_local)
    costs.follow(proposed, by_markup)
    sold = [
        Sold(
            row.workspace_id,
            row.resource_type,
            row.provider,
            row.records,
            (was, row.cost),
            (would, item.cost),
        )
        for row, was, would, item in zip(rows, _net(now), _net(proposed), proposed, strict=True)
    ]
    return compared(sold, currency=scope.currency, from_records=from_records, as_of=as_of)


@dataclass
class _Listed:
    """One sum by one price; the meter it belongs to, if the price has one. `follows_cost`: what is
    listed is still to be told from the records, by each one's markup on another cost."""

    price: Price | None
    meter: tuple[UUID, object] | None
    billed: Decimal
    listed: Decimal
    cost: Decimal
    follows_cost: bool = False


class _Costs:
    """What each sum would cost: a share of what it did, or by another cost card."""

    def __init__(self, proposal: Proposal, currency: str, rows: Sequence[PricedSum]) -> None:
        self._changes = {change.match: change.percentage for change in proposal.costs}
        self._rows = rows
        self._currency = currency
        self._recosted = self._by_card(proposal.cost_card) if proposal.cost_card else {}
        self._costs = costs_of(
            self._recosted.values(), {row.key: row.quantity for row in rows}, currency
        )

    def _by_card(self, cost_card: Sequence[NewCost]) -> dict[tuple[object, ...], Recosted]:
        tried = TriedCosts(cost_card)
        found: dict[tuple[object, ...], Recosted] = {}
        for row in self._rows:
            if (row.provider, row.resource_type) in tried.by_model:
                raise NeedsRecords(
                    f"A proposed cost is for a model of {row.provider}'s {row.resource_type}. Sums"
                    " of records do not say which part was whose: try it without."
                )
            cost: CostInForce | None = tried.of(row.workspace_id, row.resource_type, row.provider)
            if cost is not None:
                found[row.key] = Recosted(row.key, row.workspace_id, cost)
        return found

    def factor(self, row: PricedSum) -> Decimal:
        """What the sum costs, by what it did."""
        use = Matched(row.resource_type, row.provider, "")
        if row.key in self._recosted or (change := most_specific(self._changes, use)) is None:
            return _ONE
        return EXACT.add(_ONE, EXACT.divide(change, _HUNDRED))

    def card_cost(self, row: PricedSum) -> Decimal | None:
        """What the sum costs by the card that is tried; None where it says nothing."""
        return self._costs.get(row.key)

    def follow(self, proposed: Sequence[_Listed], places: Sequence[int]) -> None:
        """Work out what is listed where each record has its own markup."""
        rows = [self._rows[place] for place in places]
        listed = listed_by_markup(
            [self._recosted[row.key] for row in rows],
            self._currency,
            first=min((row.first_day for row in rows), default=dt.date.max),
            last=max((row.last_day for row in rows), default=dt.date.min),
        )
        for row, place in zip(rows, places, strict=True):
            proposed[place].listed = listed[row.key]


def _as_it_was(row: PricedSum, present: Mapping[UUID, RatePrice]) -> _Listed:
    rate = present.get(row.rate_id) if row.rate_id is not None else None
    price = rate.price if rate else None
    meter = (row.period_id, row.rate_id) if price and depends_on_period(price) else None
    return _Listed(price, meter, row.billed, row.listed, row.cost)


def _proposed(
    rows: Sequence[PricedSum],
    now: Sequence[_Listed],
    proposal: Proposal,
    overrides: set[UUID],
    costs: _Costs,
) -> tuple[list[_Listed], list[int]]:
    """Each sum by what is proposed, and the places of those that only records can tell."""
    rates = {rate.match: rate.price for rate in proposal.rates}
    by_model = {rate.match.resource_type for rate in proposal.rates if rate.match.model}
    found, record_local = [], []
    for place, (row, was) in enumerate(zip(rows, now, strict=True)):
        use = Matched(row.resource_type, row.provider, "")
        by_card = costs.card_cost(row)
        factor = costs.factor(row)
        cost = EXACT.multiply(row.cost, factor) if by_card is None else by_card
        price: Price | None = None
        if rates and row.rate_id not in overrides:
            if row.resource_type in by_model:
                raise NeedsRecords(
                    f"A proposed rate is for a model of {row.resource_type}. Sums of records do not"
                    " say which part was whose: try it without."
                )
            price = most_specific(rates, use)
        elif proposal.markup is not None and row.rate_id is None:
            price = CostPlus(markup_percentage=proposal.markup)
        if price is None:
            found.append(_kept(was, factor, cost, by_card=by_card is not None))
            continue
        meter = (row.period_id, id(price)) if depends_on_period(price) else None
        billed = _billed(price, row, was.price)
        listed = ZERO
        if billed is None or price.fixed or price.is_clamped:
            record_local.append(place)
            billed = ZERO
        elif isinstance(price, CostPlus):
            markup = EXACT.add(_ONE, EXACT.divide(price.markup_percentage, _HUNDRED))
            listed = EXACT.multiply(cost, markup)
        else:
            listed = EXACT.multiply(billed, list_unit_price(price) or ZERO)
        found.append(_Listed(price, meter, billed, listed, cost))
    return found, record_local


def _billed(price: Price, row: PricedSum, was: Price | None) -> Decimal | None:
    """Billed units by `price`; None where only records can tell."""
    if price.increment is None:
        return row.quantity
    same = was is not None and was.increment == price.increment
    return row.billed if same and not isinstance(price, CostPlus) else None


def _kept(was: _Listed, factor: Decimal, cost: Decimal, *, by_card: bool) -> _Listed:
    """The same price, at another cost."""
    by_cost = was.price is None or isinstance(was.price, CostPlus)
    if not by_cost or not (by_card or factor != _ONE):
        return replace(was, cost=cost)
    if was.price is not None and (was.price.fixed or was.price.is_clamped):
        raise NeedsRecords(
            "Prices from the cost with fixed amounts, minimums or maximums a record do not follow"
            " the cost by a share: another cost cannot be tried for months that have some."
        )
    if by_card:
        return replace(was, cost=cost, follows_cost=True)
    return replace(was, listed=EXACT.multiply(was.listed, factor), cost=cost)


def _why(record_local: Sequence[int], proposed: Sequence[_Listed]) -> str:
    if not record_local:
        return "What is sold at a markup follows another cost card, each record by its own markup."
    price = proposed[record_local[0]].price
    assert price is not None
    said = [
        word
        for word, has in (
            ("increments", price.increment is not None),
            ("fixed amounts", bool(price.fixed)),
            ("minimums or maximums", price.is_clamped),
        )
        if has
    ]
    return f"A proposed price has {' and '.join(said)} of single records."


def _compute_from_records(
    rows: Sequence[PricedSum], proposed: Sequence[_Listed], record_local: Sequence[int]
) -> None:
    by_price: dict[int, list[int]] = defaultdict(list)
    for place in record_local:
        by_price[id(proposed[place].price)].append(place)
    for places in by_price.values():
        price = proposed[places[0]].price
        assert price is not None
        if isinstance(price, CostPlus) and any(
            proposed[place].cost != rows[place].cost for place in places
        ):
            raise NeedsRecords("Other costs and prices of single records are tried apart.")
        sums = listed_from_records(
            price,
            workspace_ids={rows[place].workspace_id for place in places},
            period_ids={rows[place].period_id for place in places},
            resource_types={rows[place].resource_type for place in places},
            first=min(rows[place].first_day for place in places),
            last=max(rows[place].last_day for place in places),
        )
        for place in places:
            proposed[place].billed, proposed[place].listed = sums[rows[place].key]


def _net(items: Sequence[_Listed]) -> list[Decimal]:
    """What each sum comes to: its list price and its share of what its meter adds."""
    nets = [item.listed for item in items]
    meters: dict[tuple[UUID, object], list[int]] = defaultdict(list)
    for place, item in enumerate(items):
        if item.meter is not None:
            meters[item.meter].append(place)
    for places in meters.values():
        price = items[places[0]].price
        assert price is not None
        billed = listed = ZERO
        for place in places:
            billed = EXACT.add(billed, items[place].billed)
            listed = EXACT.add(listed, items[place].listed)
        added = meter_adjustment(price, billed=billed, listed=listed)
        shares = shared_out(added, {place: items[place].listed for place in places})
        for place, share in shares.items():
            nets[place] = EXACT.add(nets[place], share)
    return nets
