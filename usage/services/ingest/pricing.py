"""Pricing records by their workspace's terms: period and day, cost and price, or a refusal; and
what finance should see."""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from billing import months
from billing.costs import CostBook
from billing.pricing import PriceList
from billing.rating import markup_factor, rate
from usage.services.ingest.checking import PeriodDay, PricedRecord
from usage.services.ingest.findings import Drift, Findings, is_below
from usage.services.ingest.parsing import RecordError
from usage.services.ingest.unit_costs import unit_cost_of

# What numeric(28, 10) holds.
COST_LIMIT = Decimal(10) ** 18


class OpenPeriod(NamedTuple):
    id: str
    start: dt.datetime
    end: dt.datetime


class Versions(NamedTuple):
    """Which versions of the rows terms were read from: `xmin` of the workspace, of its billing
    settings, of the platform's markup (None: there is no such row), and of what tells that prices
    of rate cards or overrides have changed (None: there never was one)."""

    workspace: str
    settings: str
    platform: str | None
    prices: str | None


class PricingTerms:
    """One workspace as it was read. A record has the price of `prices`, where there are any and one
    matches; else `factor` times its cost. `costs` are everybody's."""

    def __init__(
        self,
        *,
        versions: Versions,
        closed: bool,
        timezone: str,
        currency: str,
        markup: Decimal,
        is_limited: bool,
        closed_until: dt.datetime | None,
        prices: PriceList | None,
        has_agents: bool,
        costs: CostBook | None,
        read_at: float,
    ) -> None:
        self.versions = versions
        self.is_closed = closed
        self.zone = ZoneInfo(timezone)
        self.currency = currency
        self.markup = format(markup, "f")
        self.factor = markup_factor(markup)
        self.prices = prices
        # The first agent of a workspace makes a new version of its row.
        self.has_agents = has_agents
        self.costs = costs
        self.is_limited = is_limited
        self.closed_until = closed_until
        self.read_at = read_at
        self.periods: list[OpenPeriod] = []
        # Of these, the ones that are known to have meters, and the ones whose limit was last found
        # near: ids.
        self.metered: frozenset[str] = frozenset()
        self.near: frozenset[str] = frozenset()
        # Records come in the order of their time, more or less: most enter where the last did.
        self._last: PeriodDay | None = None

    def period_day(self, occurred_at: dt.datetime) -> PeriodDay | None:
        """The open period that holds the time; else, for a time before the end of the last closed
        period, the earliest open one; else None: a period must be opened first."""
        last = self._last
        if last is not None and last.start <= occurred_at < last.end:
            return last
        for period in self.periods:
            if period.start <= occurred_at < period.end:
                name, start, end = _day(self.zone, occurred_at)
                self._last = PeriodDay(
                    period.id, name, False, max(start, period.start), min(end, period.end)
                )
                return self._last
        if self.closed_until is not None and occurred_at < self.closed_until and self.periods:
            name, start, _ = _day(self.zone, occurred_at)
            return PeriodDay(self.periods[0].id, name, True, start, start)
        return None

    def must_open_at(self, occurred_at: dt.datetime) -> dt.datetime:
        """Which time's period to open for a record that `period_day` found none for."""
        if self.closed_until is not None and occurred_at < self.closed_until:
            # Late, and nothing is open: what follows the last closed period.
            return self.closed_until
        return occurred_at


def _day(zone: ZoneInfo, at: dt.datetime) -> tuple[str, dt.datetime, dt.datetime]:
    return _day_of(zone, months.local_date(at, zone))


# Workspaces share a few timezones, and batches a few days.
@lru_cache(maxsize=4096)
def _day_of(zone: ZoneInfo, date: dt.date) -> tuple[str, dt.datetime, dt.datetime]:
    """A day's name, its first moment and the next day's."""
    following = date + dt.timedelta(days=1)
    return date.isoformat(), months.midnight(date, zone), months.midnight(following, zone)


def unknown_workspace(index: int) -> RecordError:
    return RecordError(index, "unknown_workspace", "workspace_id", "There is no such workspace.")


class Priced(NamedTuple):
    """`missing` has the first time seen of each local month that has no period yet; `unusual`:
    there are such, or late records, or some that cost too much or nobody knows how much.

    Of periods whose prices depend on all of them: `unmarked` ones do not say so yet, `unbounded`
    ones get records that may add more than their list price, and have a limit."""

    records: list[PricedRecord]
    missing: dict[tuple[str, int, int], dt.datetime]
    unusual: bool
    unmarked: frozenset[str]
    unbounded: frozenset[str]
    findings: Findings


def price_records(
    records: Sequence[PricedRecord], known: Mapping[str, PricingTerms], strangers: Collection[str]
) -> Priced:
    """Give each its period and day, its markup and its costs, or a refusal; `strangers` are the
    ids of those whose agent is unknown."""
    priced: list[PricedRecord] = []
    missing: dict[tuple[str, int, int], dt.datetime] = {}
    drifts: list[Drift] = []
    sold_low: list[PricedRecord] = []
    unusual = 0
    unmarked: set[str] = set()
    unbounded: set[str] = set()
    for each in records:
        each.refusal = None  # of an earlier try, by other terms
        terms = known.get(each.workspace_id)
        if terms is None:
            each.refusal = unknown_workspace(each.index)
            continue
        if terms.is_closed:
            each.refuse("workspace_closed", "workspace_id", "This workspace is closed.")
            continue
        if each.id in strangers:
            each.refuse("unknown_agent", "agent_id", "There is no such agent in the workspace.")
            continue
        period_day = terms.period_day(each.occurred_at)
        if period_day is None:
            at = terms.must_open_at(each.occurred_at)
            local = at.astimezone(terms.zone)
            missing.setdefault((each.workspace_id, local.year, local.month), at)
            continue
        cost = None
        if terms.costs is None and each.unit_cost_given and each.sent_currency is None:
            unit_cost = each.unit_cost
        elif (
            cost := unit_cost_of(each, terms.costs, terms.currency, period_day.usage_date)
        ) is None:
            unusual += 1
            continue
        else:
            unit_cost = cost.exact
        price = None
        if terms.prices is not None:
            price = terms.prices.price_for(
                period_day.usage_date, each.resource_type, each.provider, each.model or ""
            )
        if price is None:
            total_cost, final_cost = rate(each.quantity, unit_cost, terms.factor)
            each.markup, each.rate_id, each.billed_quantity = terms.markup, None, None
        else:
            of_records = price.of_records
            billed, total_cost, final_cost = of_records.amounts(each.quantity, unit_cost)
            each.markup, each.rate_id = of_records.markup, price.rate_hex
            each.billed_quantity = None if billed is None else str(billed)
            if of_records.has_meter:
                if period_day.period_id not in terms.metered:
                    unmarked.add(period_day.period_id)
                if terms.is_limited and not of_records.is_bounded:
                    unbounded.add(period_day.period_id)
        if final_cost >= COST_LIMIT or total_cost >= COST_LIMIT:
            each.refuse("too_large", "quantity", "What it costs has more than 18 digits.")
            unusual += 1
            continue
        unusual += period_day.late
        each.period_day = period_day
        each.total_cost = str(total_cost)
        each.final_cost = str(final_cost)
        priced.append(each)
        if cost is not None and cost.drifts_from is not None:
            drifts.append(Drift(each, cost.drifts_from, cost.currency))
        if (
            price is not None
            and (least := price.min_margin_percentage) is not None
            and is_below(least, total_cost=total_cost, final_cost=final_cost)
        ):
            sold_low.append(each)
    return Priced(
        priced,
        missing,
        bool(unusual or missing),
        frozenset(unmarked),
        frozenset(unbounded),
        Findings(drifts, sold_low),
    )
