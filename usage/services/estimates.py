"""What records would cost, by the parser and the prices that record them; nothing is written."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID, uuid4

from django.db.models import Sum

from billing import months
from billing.money import EXACT, ZERO
from billing.rating import depends_on_period
from billing.recorded_rates import RateOfRecords, rates_of_records
from usage.models import UsageRollup
from usage.queries.meters import meter_adjustment
from usage.services.ingest.agents import agents_of_calls, strangers_of
from usage.services.ingest.checking import PricedRecord, Stored
from usage.services.ingest.findings import is_below
from usage.services.ingest.known import answer_known, answer_repeats
from usage.services.ingest.parsing import RecordError
from usage.services.ingest.pricing import OpenPeriod, PricingTerms, price_records, unknown_workspace
from usage.services.ingest.pricing_terms import read_pricing_terms
from usage.services.ingest.writing import as_stored

_HUNDRED = Decimal(100)
_PERCENT = Decimal("0.0001")


class Estimate(NamedTuple):
    """A record as it would be stored, or, where its key is known, as it is.

    `opens_period`: its period is not there yet, and the id of it made up. `adjustment`: what the
    period's total would change by beyond its list price; None where the price does not depend on
    the period, and for what is counted already.
    """

    record: Stored
    is_known: bool
    opens_period: bool
    rate: RateOfRecords | None
    adjustment: Decimal | None = None

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
    supposed = _price(list(firsts.values())) if firsts else frozenset()
    answer_repeats(wanted, firsts, now)
    found = [each.refusal or as_stored(each, now) for each in records]
    ids = {each.rate_id for each in found if isinstance(each, Stored) and each.rate_id}
    rates = rates_of_records(ids)
    estimates = [
        Estimate(
            each,
            record.existing is not None,
            each.billing_period_id in supposed,
            rates[each.rate_id] if each.rate_id else None,
        )
        if isinstance(each, Stored)
        else each
        for record, each in zip(records, found, strict=True)
    ]
    return _adjusted(estimates)


def _adjusted(estimates: list[Estimate | RecordError]) -> list[Estimate | RecordError]:
    """Those with a price of the whole period as if each came after the ones before it."""
    metered = {
        (each.record.billing_period_id, each.record.rate_id)
        for each in estimates
        if isinstance(each, Estimate) and each.rate and depends_on_period(each.rate.price)
    }
    if not metered:
        return estimates
    sums = {
        (period_id, rate_id): (billed, listed)
        for period_id, rate_id, billed, listed in UsageRollup.objects.filter(
            billing_period__in={period_id for period_id, _ in metered},
            rate_id__in={rate_id for _, rate_id in metered},
        )
        .order_by()
        .values_list("billing_period_id", "rate_id")
        .annotate(Sum("billed_quantity"), Sum("final_cost"))
    }
    answered: list[Estimate | RecordError] = []
    for each in estimates:
        if isinstance(each, Estimate) and each.rate and not each.is_known:
            meter = each.record.billing_period_id, each.record.rate_id
            if meter in metered:
                billed, listed = sums.get(meter, (ZERO, ZERO))
                before = meter_adjustment(each.rate.price, billed=billed, listed=listed)
                billed = EXACT.add(billed, each.record.billed_quantity)
                listed = EXACT.add(listed, each.record.final_cost)
                after = meter_adjustment(each.rate.price, billed=billed, listed=listed)
                sums[meter] = billed, listed
                each = each._replace(adjustment=EXACT.subtract(after, before))  # noqa: PLW2901
        answered.append(each)
    return answered


_UNKNOWN = unknown_workspace(0).code


def _price(records: list[PricedRecord]) -> frozenset[UUID]:
    """Price the records, or refuse them; the periods that they would open, by ids made up."""
    strangers = frozenset(each.id for each in strangers_of(records))
    terms = read_pricing_terms(sorted({each.workspace_id for each in records}))
    priced = price_records(records, terms, strangers)
    # A month that is missing would be opened; one that is late may need the one after it.
    supposed: set[UUID] = set()
    while priced.missing:
        for (workspace_id, *_), at in sorted(priced.missing.items()):
            supposed.add(_suppose_period(terms[workspace_id], at))
        priced = price_records(records, terms, strangers)
    agents = agents_of_calls(priced.records)
    for each in priced.records:
        each.agent_of_call = agents.get(each.id)
    return frozenset(supposed)


def _suppose_period(terms: PricingTerms, at: dt.datetime) -> UUID:
    month, period_id = months.month_of(at, terms.zone), uuid4()
    terms.periods.append(OpenPeriod(period_id.hex, month.start, month.end))
    return period_id
