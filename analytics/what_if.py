"""What-if: what past months would have come to by other prices or other costs.

From rollups, so that ten million records cost as much as their few hundred thousand sums. What
rollups cannot answer (increments, minimums and other things of single records) is computed from the
records, up to `MOST_RECORDS`, or refused; nothing is estimated. Amounts are exact but for the
rounding of each record to ten decimals.

An override stays what it was: it comes before any card. Months that still run count as far as they
have come.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from django.db import connection

from analytics.what_if_records import listed_from_records
from billing.errors import BillingError
from billing.models import PriceOverride, RateCardVersion, Workspace
from billing.money import EXACT, ZERO
from billing.pricing import Matched, RatePrice, most_specific, prices_by_rate
from billing.rating import CostPlus, Price, depends_on_period, list_unit_price
from billing.services.rate_cards import NewRate
from usage.queries.meters import meter_adjustment, shared_out

# Rows that one answer lists; the totals are of all.
MOST_ROWS = 1000
MOST_MONTHS = 24
# What is summed from records while someone waits: some seconds.
MOST_RECORDS = 1_000_000
_HUNDRED = Decimal(100)
_ONE = Decimal(1)


class NeedsRecords(BillingError):
    """What rollups cannot answer, of more records than are summed while someone waits."""

    status = 422
    code = "needs_records"


class CostChange(NamedTuple):
    """Another cost of what it matches, in per cent of what it was: "-10" is a tenth less."""

    match: Matched
    percentage: Decimal


@dataclass(frozen=True)
class Proposal:
    """Other prices (`rates`, for all that the workspaces used), another `markup` for what was
    priced by one, other `costs`, or several of these."""

    rates: Sequence[NewRate] = ()
    markup: Decimal | None = None
    costs: Sequence[CostChange] = ()


@dataclass(frozen=True)
class Scope:
    """Months `[first, until)` by their first days, of workspaces that pay in `currency`; all of
    them, or those named."""

    currency: str
    first: dt.date
    until: dt.date
    workspace_ids: Sequence[UUID] | None = None


@dataclass
class Side:
    """What was sold and what it cost."""

    revenue: Decimal = ZERO
    cost: Decimal = ZERO

    def add(self, revenue: Decimal, cost: Decimal) -> None:
        self.revenue = EXACT.add(self.revenue, revenue)
        self.cost = EXACT.add(self.cost, cost)

    @property
    def margin(self) -> Decimal:
        return self.revenue - self.cost

    @property
    def share(self) -> Decimal | None:
        return self.margin / self.revenue if self.revenue else None


@dataclass
class Compared:
    """One workspace, type or provider as it was and as it would be."""

    name: str
    workspace_id: UUID | None = None
    now: Side = field(default_factory=Side)
    then: Side = field(default_factory=Side)

    @property
    def difference(self) -> Decimal:
        """What is paid more (or, below zero, less)."""
        return self.then.revenue - self.now.revenue


@dataclass
class WhatIf:
    scope: Scope
    total: Compared
    by_workspace: list[Compared]
    by_resource_type: list[Compared]
    by_provider: list[Compared]
    records: int
    from_records: int

    @property
    def paying_more(self) -> int:
        return sum(each.difference > 0 for each in self.by_workspace)

    @property
    def paying_less(self) -> int:
        return sum(each.difference < 0 for each in self.by_workspace)


class UsageSum(NamedTuple):
    """The records of one kind, priced by one rate, in one period."""

    period_id: UUID
    workspace_id: UUID
    resource_type: str
    provider: str
    rate_id: UUID | None
    records: int
    quantity: Decimal
    billed: Decimal
    cost: Decimal
    listed: Decimal
    first_day: dt.date
    last_day: dt.date


# A period is the month that holds its start on its workspace's clock: at most 14 hours ahead of UTC
# and 12 behind.
_SUMS = """
SELECT period.id, period.workspace_id, rollup.resource_type, rollup.provider, rollup.rate_id,
       sum(rollup.records)::bigint, sum(rollup.quantity),
       sum(rollup.billed_quantity), sum(rollup.total_cost), sum(rollup.final_cost),
       min(rollup.usage_date), max(rollup.usage_date)
  FROM billing_billingperiod AS period
  JOIN billing_workspace AS owner ON owner.id = period.workspace_id
  JOIN usage_usagerollup AS rollup ON rollup.billing_period_id = period.id
 WHERE period.period_start >= %(first)s::date::timestamp AT TIME ZONE 'UTC' - interval '14 hours'
   AND period.period_start < %(until)s::date::timestamp AT TIME ZONE 'UTC' - interval '14 hours'
   AND owner.currency = %(currency)s
   AND (%(workspaces)s::uuid[] IS NULL OR owner.id = ANY(%(workspaces)s::uuid[]))
 GROUP BY 1, 2, 3, 4, 5
"""


def rates_of(version: RateCardVersion) -> list[NewRate]:
    return [NewRate(Matched(*rate.match), rate.price) for rate in version.rates.all()]


def what_if(scope: Scope, proposal: Proposal) -> WhatIf:
    """Raises `NeedsRecords`. Three queries, and one for each price of single records."""
    rows = _sums(scope)
    present = prices_by_rate({row.rate_id for row in rows if row.rate_id is not None})
    overrides = set(PriceOverride.objects.filter(pk__in=list(present)).values_list("pk", flat=True))
    now = [_as_it_was(row, present) for row in rows]
    proposed, record_local = _proposed(rows, now, proposal, overrides)
    from_records = sum(rows[place].records for place in record_local)
    if from_records > MOST_RECORDS:
        raise NeedsRecords(
            f"{_why(record_local, proposed)} This is computed from the records themselves, which"
            f" here are {from_records:,}; at most {MOST_RECORDS:,} are while you wait: choose"
            " fewer months or workspaces.",
        )
    _compute_from_records(rows, proposed, record_local)
    return _compared(scope, rows, _net(now), _net(proposed), proposed, from_records)


@dataclass
class _Listed:
    """One sum by one price; the meter it belongs to, if the price has one."""

    price: Price | None
    meter: tuple[UUID, object] | None
    billed: Decimal
    listed: Decimal
    cost: Decimal


def _sums(scope: Scope) -> list[UsageSum]:
    with connection.cursor() as cursor:
        cursor.execute(
            _SUMS,
            {
                "first": scope.first,
                "until": scope.until,
                "currency": scope.currency,
                "workspaces": None if scope.workspace_ids is None else list(scope.workspace_ids),
            },
        )
        return [UsageSum(*row) for row in cursor]


def _as_it_was(row: UsageSum, present: Mapping[UUID, RatePrice]) -> _Listed:
    rate = present.get(row.rate_id) if row.rate_id is not None else None
    price = rate.price if rate else None
    meter = (row.period_id, row.rate_id) if price and depends_on_period(price) else None
    return _Listed(price, meter, row.billed, row.listed, row.cost)


def _proposed(
    rows: Sequence[UsageSum],
    now: Sequence[_Listed],
    proposal: Proposal,
    overrides: set[UUID],
) -> tuple[list[_Listed], list[int]]:
    """Each sum by what is proposed, and the places of those that only records can tell."""
    rates = {rate.match: rate.price for rate in proposal.rates}
    by_model = {rate.match.resource_type for rate in proposal.rates if rate.match.model}
    costs = {change.match: change.percentage for change in proposal.costs}
    found, record_local = [], []
    for place, (row, was) in enumerate(zip(rows, now, strict=True)):
        use = Matched(row.resource_type, row.provider, "")
        factor = _ONE
        if costs and (percentage := most_specific(costs, use)) is not None:
            factor = EXACT.add(_ONE, EXACT.divide(percentage, _HUNDRED))
        cost = EXACT.multiply(row.cost, factor)
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
            found.append(_kept(was, factor, cost))
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


def _billed(price: Price, row: UsageSum, was: Price | None) -> Decimal | None:
    """Billed units by `price`; None where only records can tell."""
    if price.increment is None:
        return row.quantity
    same = was is not None and was.increment == price.increment
    return row.billed if same and not isinstance(price, CostPlus) else None


def _kept(was: _Listed, factor: Decimal, cost: Decimal) -> _Listed:
    """The same price, at another cost."""
    by_cost = was.price is None or isinstance(was.price, CostPlus)
    if factor == _ONE or not by_cost:
        return replace(was, cost=cost)
    if was.price is not None and (was.price.fixed or was.price.is_clamped):
        raise NeedsRecords(
            "Prices from the cost with fixed amounts, minimums or maximums a record do not follow"
            " the cost by a share: another cost cannot be tried for months that have some."
        )
    return replace(was, listed=EXACT.multiply(was.listed, factor), cost=cost)


def _why(record_local: Sequence[int], proposed: Sequence[_Listed]) -> str:
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
    rows: Sequence[UsageSum], proposed: Sequence[_Listed], record_local: Sequence[int]
) -> None:
    by_price: dict[int, list[int]] = defaultdict(list)
    for place in record_local:
        by_price[id(proposed[place].price)].append(place)
    for places in by_price.values():
        price = proposed[places[0]].price
        assert price is not None
        sums = listed_from_records(
            price,
            workspace_ids={rows[place].workspace_id for place in places},
            period_ids={rows[place].period_id for place in places},
            resource_types={rows[place].resource_type for place in places},
            first=min(rows[place].first_day for place in places),
            last=max(rows[place].last_day for place in places),
        )
        for place in places:
            row, item = rows[place], proposed[place]
            key = row.period_id, row.resource_type, row.provider, row.rate_id
            item.billed, item.listed = sums[key]
            if isinstance(price, CostPlus) and item.cost != row.cost:
                raise NeedsRecords("Other costs and prices of single records are tried apart.")


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


def _compared(
    scope: Scope,
    rows: Sequence[UsageSum],
    now: Sequence[Decimal],
    then: Sequence[Decimal],
    proposed: Sequence[_Listed],
    from_records: int,
) -> WhatIf:
    names = dict(
        Workspace.objects.filter(pk__in={row.workspace_id for row in rows}).values_list(
            "pk", "name"
        )
    )
    total = Compared("")
    workspaces: dict[UUID, Compared] = {}
    types: dict[str, Compared] = {}
    providers: dict[str, Compared] = {}
    for row, was, would, item in zip(rows, now, then, proposed, strict=True):
        owner = row.workspace_id
        for each in (
            total,
            workspaces.setdefault(owner, Compared(names[owner], owner)),
            types.setdefault(row.resource_type, Compared(row.resource_type)),
            providers.setdefault(row.provider, Compared(row.provider)),
        ):
            each.now.add(was, row.cost)
            each.then.add(would, item.cost)
    return WhatIf(
        scope=scope,
        total=total,
        by_workspace=sorted(
            workspaces.values(), key=lambda each: (-abs(each.difference), each.name)
        ),
        by_resource_type=_largest(types.values()),
        by_provider=_largest(providers.values()),
        records=sum(row.records for row in rows),
        from_records=from_records,
    )


def _largest(compared: Iterable[Compared]) -> list[Compared]:
    return sorted(compared, key=lambda each: (-each.now.revenue, each.name))
