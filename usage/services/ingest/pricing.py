"""Pricing records: period and day, cost and price, or a refusal; and what finance should see."""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from billing.rating import rate
from usage.services.ingest.costing import unit_cost_of
from usage.services.ingest.entries import PricedRecord, RecordError
from usage.services.ingest.findings import Drift, Findings, is_below
from usage.services.ingest.pricing_terms import PricingTerms

# What numeric(28, 10) holds.
COST_LIMIT = Decimal(10) ** 18


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
        elif (cost := unit_cost_of(each, terms, period_day.usage_date)) is None:
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
