"""Counting what finance should look at, in the transaction that writes the records.

Costs that differ from the cost card, and records sold below the least margin of their rate. Most
batches have none of either and pay nothing; the others an upsert, a row for each kind.
"""

import datetime as dt
from collections.abc import Collection, Iterable
from decimal import Decimal
from typing import NamedTuple

from billing.costs import CostInForce
from billing.models import COUNTER_SLOTS
from billing.money import EXACT, ZERO
from billing.prepared import prepared_cursor
from usage.services.ingest.agents import agents_of_calls
from usage.services.ingest.checking import PricedRecord

_HUNDRED = Decimal(100)
_ONE = Decimal(1)

# The last statements of their transaction. Rows come sorted by key, and drifts before margins, so
# that batches cannot deadlock.
_SLOT = f"(pg_backend_pid() %% {COUNTER_SLOTS})::smallint"
_DRIFTS = f"""
INSERT INTO usage_costdrift AS known (
    slot, first_seen, last_seen, provider_cost_id, resource_type, model, currency, records,
    quantity, cost, least, most)
SELECT {_SLOT}, %s::timestamptz, %s::timestamptz, read.*
  FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::bigint[], %s::numeric[],
              %s::numeric[], %s::numeric[], %s::numeric[]) AS read
ON CONFLICT (provider_cost_id, resource_type, model, currency, slot) DO UPDATE SET
    records = known.records + excluded.records,
    quantity = known.quantity + excluded.quantity,
    cost = known.cost + excluded.cost,
    least = least(known.least, excluded.least),
    most = greatest(known.most, excluded.most),
    last_seen = greatest(known.last_seen, excluded.last_seen)
"""  # noqa: S608 - constants are all that goes in
_MARGINS = f"""
INSERT INTO usage_lowmargin AS known (
    slot, first_seen, last_seen, workspace_id, billing_period_id, rate_id, resource_type, provider,
    model, agent_id, records, total_cost, final_cost)
SELECT {_SLOT}, %s::timestamptz, %s::timestamptz, read.*
  FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::text[], %s::uuid[],
              %s::bigint[], %s::numeric[], %s::numeric[]) AS read
ON CONFLICT (billing_period_id, rate_id, resource_type, provider, model, agent_id, slot)
DO UPDATE SET
    records = known.records + excluded.records,
    total_cost = known.total_cost + excluded.total_cost,
    final_cost = known.final_cost + excluded.final_cost,
    last_seen = greatest(known.last_seen, excluded.last_seen)
"""  # noqa: S608 - constants are all that goes in


class Drift(NamedTuple):
    """A record whose unit cost, sent in `currency`, is not that of the cost card."""

    record: PricedRecord
    card: CostInForce
    currency: str


class Findings(NamedTuple):
    """Of one batch: drifts, and records that were sold too low."""

    drifts: list[Drift]
    sold_low: list[PricedRecord]

    def of(self, ids: Collection[str] | None) -> "Findings":
        """Those of some records; None: of all."""
        if ids is None:
            return self
        return Findings(
            [each for each in self.drifts if each.record.id in ids],
            [each for each in self.sold_low if each.id in ids],
        )


def is_below(least_margin: Decimal, *, total_cost: Decimal, final_cost: Decimal) -> bool:
    """Whether a price leaves less than `least_margin` percent of itself."""
    left = EXACT.multiply(final_cost, EXACT.subtract(_HUNDRED, least_margin))
    return left < EXACT.multiply(total_cost, _HUNDRED)


def count_findings(findings: Findings, *, now: dt.datetime) -> None:
    """Count the findings of new records, in the transaction that has written them."""
    at = now.isoformat()
    with prepared_cursor() as cursor:
        if findings.drifts:
            cursor.execute(_DRIFTS, [at, at, *_columns(_drift_rows(findings.drifts))])
        if findings.sold_low:
            cursor.execute(_MARGINS, [at, at, *_columns(_margin_rows(findings.sold_low))])


def _columns(rows: list[tuple[str | None, ...]]) -> list[list[str | None]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _drift_rows(drifts: Iterable[Drift]) -> list[tuple[str | None, ...]]:
    counted: dict[tuple[str, ...], list[Decimal]] = {}
    for record, card, currency in drifts:
        key = (card.cost_id.hex, record.resource_type, record.model or "", currency)
        cost = EXACT.multiply(record.quantity, record.unit_cost)
        sums = counted.setdefault(key, [ZERO, ZERO, ZERO, record.unit_cost, record.unit_cost])
        for place, value in enumerate((_ONE, record.quantity, cost)):
            sums[place] = EXACT.add(sums[place], value)
        sums[3], sums[4] = min(sums[3], record.unit_cost), max(sums[4], record.unit_cost)
    return [(*key, *map(_text, counted[key])) for key in sorted(counted)]


def _margin_rows(sold_low: list[PricedRecord]) -> list[tuple[str | None, ...]]:
    agents = agents_of_calls(sold_low)
    counted: dict[tuple[str | None, ...], list[Decimal]] = {}
    for each in sold_low:
        key = (
            each.workspace_id,
            each.period_day.period_id,
            each.rate_id,
            each.resource_type,
            each.provider,
            each.model or "",
            agents.get(each.id, each.agent_id),
        )
        sums = counted.setdefault(key, [ZERO, ZERO, ZERO])
        for place, value in enumerate(("1", each.total_cost, each.final_cost)):
            sums[place] = EXACT.add(sums[place], Decimal(value))
    keys = sorted(counted, key=lambda key: [part or "" for part in key])
    return [(*key, *map(_text, counted[key])) for key in keys]


def _text(value: Decimal) -> str:
    return format(value, "f")
