"""Pricing records: period and day, cost and price, or a refusal; and what finance should see.

A cost is as sent, or as the cost card says, in its currency: found here, since the card and the
exchange rates hold for days of the workspace's clock.
"""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from django.conf import settings

from billing.costs import CostInForce
from billing.money import EXACT
from billing.rating import converted, rate
from usage.services.ingest.entries import PricedRecord, RecordError
from usage.services.ingest.findings import Drift, Findings, is_below
from usage.services.ingest.pricing_terms import PricingTerms

# What numeric(28, 10) holds.
COST_LIMIT = Decimal(10) ** 18
_HUNDRED = Decimal(100)


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


class UnitCost(NamedTuple):
    """`exact` is in the workspace's currency. `drifts_from` is the row of the cost card that the
    cost which was sent, in `currency`, differs from by more than the tolerance."""

    exact: Decimal
    currency: str
    drifts_from: CostInForce | None


def unit_cost_of(record: PricedRecord, terms: PricingTerms, usage_date: str) -> UnitCost | None:
    """What a unit of the record costs; None: it is refused. The record keeps its cost, the
    currency and the rate."""
    book = terms.costs
    card = None
    if book is not None:
        card = book.cost_for(
            record.workspace_id,
            usage_date,
            record.resource_type,
            record.provider,
            record.model or "",
        )
    if record.unit_cost_given:
        currency = record.sent_currency or terms.currency
    elif card is None:
        detail = "The cost card says nothing for this provider, type and day: send a unit_cost."
        record.refuse("no_cost", "unit_cost", detail)
        return None
    else:
        currency = card.currency
        record.unit_cost, record.unit_cost_text = card.unit_cost, card.text
    exact = _in_own_currency(record.unit_cost, currency, terms, usage_date)
    if exact is None:
        detail = f"There is no rate from {currency} to {terms.currency} of that day or its week."
        record.refuse("no_exchange_rate", "cost_currency", detail)
        return None
    if currency == terms.currency:
        record.cost_currency = record.exchange_rate = None
    else:
        assert book is not None
        record.cost_currency = currency
        record.exchange_rate = str(book.exchange_rate(currency, terms.currency, usage_date))
    if card is None or not record.unit_cost_given:
        return UnitCost(exact, currency, None)
    if card.currency == currency:
        drifts = differs(record.unit_cost, card.unit_cost)
    else:
        by_card = _in_own_currency(card.unit_cost, card.currency, terms, usage_date)
        drifts = by_card is None or differs(exact, by_card)
    return UnitCost(exact, currency, card if drifts else None)


def _in_own_currency(
    amount: Decimal, currency: str, terms: PricingTerms, usage_date: str
) -> Decimal | None:
    """An amount in the workspace's currency; None where no rate is known."""
    if currency == terms.currency:
        return amount
    if terms.costs is None:
        return None
    rate = terms.costs.exchange_rate(currency, terms.currency, usage_date)
    return None if rate is None else converted(amount, rate)


def differs(sent: Decimal, card: Decimal) -> bool:
    """Whether a unit cost is further from the cost card's than the tolerance allows."""
    if sent == card:
        return False
    allowed = EXACT.multiply(card, settings.COST_TOLERANCE_PERCENTAGE)
    return EXACT.multiply(abs(EXACT.subtract(sent, card)), _HUNDRED) > allowed
