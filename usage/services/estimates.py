"""What records would cost, by the parser and the prices that record them; nothing is written."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from billing import months
from billing.money import EXACT
from billing.pricing import RateOfRecords, rates_of_records
from usage.services.ingest.entries import PricedRecord, RecordError, Stored
from usage.services.ingest.findings import is_below
from usage.services.ingest.known import answer_known, answer_repeat
from usage.services.ingest.pricing import price_records, strangers_of, unknown_workspace
from usage.services.ingest.pricing_terms import OpenPeriod, PricingTerms, read_pricing_terms
from usage.services.ingest.writing import agents_of_calls

# The period of a record that would open one.
NOT_OPEN_YET = "0" * 32
_HUNDRED = Decimal(100)
_PERCENT = Decimal("0.0001")


class Estimate(NamedTuple):
    """A record as it would be stored, or, where its key is known, as it is."""

    record: Stored
    is_known: bool
    rate: RateOfRecords | None

    @property
    def margin(self) -> Decimal:
        return EXACT.subtract(self.record.final_cost, self.record.total_cost)

    @property
    def margin_percentage(self) -> Decimal | None:
        """Of the price; None where there is no price."""
        if not self.record.final_cost:
            return None
        share = EXACT.divide(EXACT.multiply(self.margin, _HUNDRED), self.record.final_cost)
        return share.quantize(_PERCENT)

    @property
    def is_below_least_margin(self) -> bool:
        least = self.rate and self.rate.min_margin_percentage
        return least is not None and is_below(
            least, total_cost=self.record.total_cost, final_cost=self.record.final_cost
        )


def estimate_usage(
    records: Sequence[PricedRecord], *, now: dt.datetime, only_workspace: str | None = None
) -> list[Estimate | RecordError]:
    """Of each record what recording it now would answer, or why it would be refused.

    `only_workspace` (32 hex digits) hides every other workspace, as for a key bound to one.
    """
    for each in records:
        if only_workspace is not None and each.workspace_id != only_workspace:
            each.refusal = unknown_workspace(each.index)
    visible = [each for each in records if each.refusal is None or each.refusal.code != _UNKNOWN]
    answer_known(visible)
    wanted = [each for each in visible if each.refusal is None and each.existing is None]
    firsts = {each.id: each for each in reversed(wanted)}
    if firsts:
        _price(list(firsts.values()))
    for each in wanted:
        if (first := firsts[each.id]) is not each:
            answer_repeat(each, first, now)
    found = [each.refusal or each.as_stored(now) for each in records]
    ids = {each.rate_id for each in found if isinstance(each, Stored) and each.rate_id}
    rates = rates_of_records(ids)
    return [
        Estimate(each, record.existing is not None, rates[each.rate_id] if each.rate_id else None)
        if isinstance(each, Stored)
        else each
        for record, each in zip(records, found, strict=True)
    ]


_UNKNOWN = unknown_workspace(0).code


def _price(records: list[PricedRecord]) -> None:
    strangers = frozenset(each.id for each in strangers_of(records))
    terms = read_pricing_terms(sorted({each.workspace_id for each in records}))
    priced = price_records(records, terms, strangers)
    # A month that is missing would be opened; one that is late may need the one after it.
    while priced.missing:
        for (workspace_id, *_), at in priced.missing.items():
            _suppose_period(terms[workspace_id], at)
        priced = price_records(records, terms, strangers)
    agents = agents_of_calls(priced.records)
    for each in priced.records:
        each.agent_of_call = agents.get(each.id)


def _suppose_period(terms: PricingTerms, at: dt.datetime) -> None:
    month = months.month_of(at, terms.zone)
    terms.periods.append(OpenPeriod(NOT_OPEN_YET, month.start, month.end))
