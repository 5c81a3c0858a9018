"""Sums of usage against what they are of: rollups, counters, and the calls of each day.

One pass over the records for everything, whatever their number of workspaces: 10 million take well
under a minute. Each comparison is one statement, so that it sees one moment while usage goes on.
"""

from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import wraps
from uuid import UUID

from usage.services.call_rollups import COUNTED_CALLS
from usage.services.ledger.scope import LedgerDifference, Scope, rows

# No rate, or no agent, is a value like any other here: a join would not find it.
_NONE = UUID(int=0)
_ROLLUPS = f"""
WITH recorded AS (
    SELECT billing_period_id, usage_date, resource_type, provider,
           coalesce(rate_id, '{_NONE}') AS rate, min(workspace_id::text) AS owner,
           count(*) AS records, sum(quantity) AS quantity,
           sum(coalesce(billed_quantity, quantity)) AS billed_quantity,
           sum(total_cost) AS total_cost, sum(final_cost) AS final_cost
      FROM {{records}} AS record
     GROUP BY billing_period_id, usage_date, resource_type, provider, rate
), rolled AS (
    SELECT billing_period_id, usage_date, resource_type, provider,
           coalesce(rate_id, '{_NONE}') AS rate, min(workspace_id::text) AS owner,
           sum(records) AS records, sum(quantity) AS quantity,
           sum(billed_quantity) AS billed_quantity, sum(total_cost) AS total_cost,
           sum(final_cost) AS final_cost
      FROM usage_usagerollup
     WHERE (%(workspace)s::uuid IS NULL OR workspace_id = %(workspace)s)
       AND (%(period)s::uuid IS NULL OR billing_period_id = %(period)s)
     GROUP BY billing_period_id, usage_date, resource_type, provider, rate
)
SELECT coalesce(recorded.owner, rolled.owner)::uuid, billing_period_id, usage_date, resource_type,
       provider, nullif(rate, '{_NONE}'),
       coalesce(recorded.records, 0), coalesce(recorded.quantity, 0),
       coalesce(recorded.billed_quantity, 0), coalesce(recorded.total_cost, 0),
       coalesce(recorded.final_cost, 0),
       coalesce(rolled.records, 0), coalesce(rolled.quantity, 0),
       coalesce(rolled.billed_quantity, 0), coalesce(rolled.total_cost, 0),
       coalesce(rolled.final_cost, 0)
  FROM recorded
  FULL JOIN rolled USING (billing_period_id, usage_date, resource_type, provider, rate)
 WHERE (coalesce(recorded.records, 0), coalesce(recorded.quantity, 0),
        coalesce(recorded.billed_quantity, 0), coalesce(recorded.total_cost, 0),
        coalesce(recorded.final_cost, 0))
    IS DISTINCT FROM
       (coalesce(rolled.records, 0), coalesce(rolled.quantity, 0),
        coalesce(rolled.billed_quantity, 0), coalesce(rolled.total_cost, 0),
        coalesce(rolled.final_cost, 0))
 ORDER BY 1, 2, 3, 4, 5, 6
"""  # noqa: S608 - a constant is all that goes in
_DIMENSIONS = f"""
WITH recorded AS (
    SELECT billing_period_id, usage_date, coalesce(agent_id, '{_NONE}') AS agent,
           coalesce(model, '') AS model, resource_type, provider,
           min(workspace_id::text) AS owner, count(*) AS records, sum(quantity) AS quantity,
           sum(total_cost) AS total_cost, sum(final_cost) AS final_cost
      FROM {{records}} AS record
     WHERE agent_id IS NOT NULL OR model IS NOT NULL
     GROUP BY billing_period_id, usage_date, agent, coalesce(model, ''), resource_type, provider
), rolled AS (
    SELECT billing_period_id, usage_date, coalesce(agent_id, '{_NONE}') AS agent,
           coalesce(model, '') AS model, resource_type, provider,
           min(workspace_id::text) AS owner, sum(records) AS records, sum(quantity) AS quantity,
           sum(total_cost) AS total_cost, sum(final_cost) AS final_cost
      FROM usage_dimensionrollup
     WHERE (%(workspace)s::uuid IS NULL OR workspace_id = %(workspace)s)
       AND (%(period)s::uuid IS NULL OR billing_period_id = %(period)s)
     GROUP BY billing_period_id, usage_date, agent, coalesce(model, ''), resource_type, provider
)
SELECT coalesce(recorded.owner, rolled.owner)::uuid, billing_period_id, usage_date, resource_type,
       provider, nullif(agent, '{_NONE}'), model,
       coalesce(recorded.records, 0), coalesce(recorded.quantity, 0),
       coalesce(recorded.total_cost, 0), coalesce(recorded.final_cost, 0),
       coalesce(rolled.records, 0), coalesce(rolled.quantity, 0),
       coalesce(rolled.total_cost, 0), coalesce(rolled.final_cost, 0)
  FROM recorded
  FULL JOIN rolled
       USING (billing_period_id, usage_date, agent, model, resource_type, provider)
 WHERE (coalesce(recorded.records, 0), coalesce(recorded.quantity, 0),
        coalesce(recorded.total_cost, 0), coalesce(recorded.final_cost, 0))
    IS DISTINCT FROM
       (coalesce(rolled.records, 0), coalesce(rolled.quantity, 0),
        coalesce(rolled.total_cost, 0), coalesce(rolled.final_cost, 0))
 ORDER BY 1, 2, 3, 4, 5, 6, 7
"""  # noqa: S608 - a constant is all that goes in
_COUNTERS = """
WITH counted AS (
    SELECT period.id, period.workspace_id, sum(counter.records) AS records,
           sum(counter.total_cost) AS total_cost, sum(counter.final_cost) AS final_cost
      FROM billing_billingperiod AS period
      JOIN billing_periodcounter AS counter ON counter.period_id = period.id
     WHERE (%(workspace)s::uuid IS NULL OR period.workspace_id = %(workspace)s)
       AND (%(period)s::uuid IS NULL OR period.id = %(period)s)
     GROUP BY period.id
), rolled AS (
    SELECT billing_period_id AS id, sum(records) AS records, sum(total_cost) AS total_cost,
           sum(final_cost) AS final_cost
      FROM usage_usagerollup
     WHERE (%(workspace)s::uuid IS NULL OR workspace_id = %(workspace)s)
       AND (%(period)s::uuid IS NULL OR billing_period_id = %(period)s)
     GROUP BY billing_period_id
)
SELECT counted.workspace_id, id, counted.records, counted.total_cost, counted.final_cost,
       coalesce(rolled.records, 0), coalesce(rolled.total_cost, 0), coalesce(rolled.final_cost, 0)
  FROM counted LEFT JOIN rolled USING (id)
 WHERE (counted.records, counted.total_cost, counted.final_cost) IS DISTINCT FROM
       (coalesce(rolled.records, 0), coalesce(rolled.total_cost, 0),
        coalesce(rolled.final_cost, 0))
 ORDER BY 1, 2
"""
_CALLS = f"""
WITH called AS ({COUNTED_CALLS})
SELECT workspace_id, local_date, provider, status, direction,
       coalesce(called.calls, 0), coalesce(called.timed_calls, 0),
       coalesce(called.duration_seconds, 0), called.by_hour,
       coalesce(rollup.calls, 0), coalesce(rollup.timed_calls, 0),
       coalesce(rollup.duration_seconds, 0), rollup.by_hour
  FROM called
  FULL JOIN (SELECT * FROM usage_callrollup
              WHERE %(workspace)s::uuid IS NULL OR workspace_id = %(workspace)s) AS rollup
       USING (workspace_id, local_date, provider, status, direction)
 WHERE (coalesce(called.calls, 0), coalesce(called.timed_calls, 0),
        coalesce(called.duration_seconds, 0),
        coalesce(called.by_hour, array_fill(0, ARRAY[24])))
    IS DISTINCT FROM
       (coalesce(rollup.calls, 0), coalesce(rollup.timed_calls, 0),
        coalesce(rollup.duration_seconds, 0),
        coalesce(rollup.by_hour, array_fill(0, ARRAY[24])))
 ORDER BY 1, 2, 3
"""  # noqa: S608 - constants are all that goes in

Find = Callable[[Scope], Iterator[LedgerDifference]]


def _still_so(find: Find) -> Find:
    """What differs is looked at again, and is no difference unless it still is one.

    Where records are distributed over several servers there is no moment that all of them are seen
    at.
    """

    @wraps(find)
    def found_twice(scope: Scope) -> Iterator[LedgerDifference]:
        before = {each.place for each in find(scope)}
        if before:
            yield from (each for each in find(scope) if each.place in before)

    return found_twice


@_still_so
def rollup_differences(scope: Scope) -> Iterator[LedgerDifference]:
    """Where records and the rollups of their days, or of agents and models, do not agree."""
    for workspace, period, day, kind, provider, rate, *sums in rows(_ROLLUPS, scope):
        (records, quantity, billed, *costs), (records_, quantity_, billed_, *costs_) = _halves(sums)
        by = f" by rate {rate}" if rate else ""
        detail = (
            f"{day} {kind} {provider}{by}: {records} records of {_units(quantity, billed)}"
            f"{_amounts(costs, costs_)}, rolled up as {records_} of {_units(quantity_, billed_)}"
            f"{_amounts(costs_, costs)}"
        )
        yield LedgerDifference("records and rollups", workspace, period, detail)
    for workspace, period, day, kind, provider, agent, model, *sums in rows(_DIMENSIONS, scope):
        (records, quantity, *costs), (records_, quantity_, *costs_) = _halves(sums)
        which = (f" agent {agent}" if agent else "") + (f" model {model}" if model else "")
        detail = (
            f"{day} {kind} {provider}{which}: {records} records of {quantity}"
            f"{_amounts(costs, costs_)}, rolled up as {records_} of {quantity_}"
            f"{_amounts(costs_, costs)}"
        )
        yield LedgerDifference("records and their dimensions", workspace, period, detail)


@_still_so
def counter_differences(scope: Scope) -> Iterator[LedgerDifference]:
    """Where a period's running totals are not the sum of its rollups."""
    for workspace, period, *sums in rows(_COUNTERS, scope):
        (records, *costs), (records_, *costs_) = _halves(sums)
        detail = (
            f"{records_} records{_amounts(costs_, costs)} in rollups,"
            f" {records}{_amounts(costs, costs_)} counted"
        )
        yield LedgerDifference("rollups and counters", workspace, period, detail)


@_still_so
def call_differences(scope: Scope) -> Iterator[LedgerDifference]:
    """Where calls and their sums by day and hour do not agree; calls belong to no period."""
    for workspace, day, provider, status, direction, *sums in rows(_CALLS, scope):
        (calls, timed, seconds, hours), (calls_, timed_, seconds_, hours_) = _halves(sums)
        detail = (
            f"{day} {provider} {status} {direction}: {calls} calls, {timed} of them of"
            f" {seconds} s, rolled up as {calls_}, {timed_} of them of {seconds_} s"
        )
        if hours != hours_ and None not in (hours, hours_):
            detail += f"; at {_hours_that_differ(hours, hours_)}"
        yield LedgerDifference("calls and rollups", workspace, None, detail)


def _hours_that_differ(hours: list[int], rolled_up: list[int]) -> str:
    pairs = enumerate(zip(hours, rolled_up, strict=True))
    return ", ".join(
        f"{hour}:00 {count}, rolled up as {count_}"
        for hour, (count, count_) in pairs
        if count != count_
    )


def usage_differences(*, workspace_id: UUID | None = None) -> list[LedgerDifference]:
    """Where records, rollups and counters, or calls and their rollups, do not agree."""
    scope = Scope(workspace_id)
    finds = (rollup_differences, counter_differences, call_differences)
    return [difference for find in finds for difference in find(scope)]


def _halves(sums: list) -> tuple[list, list]:
    return sums[: len(sums) // 2], sums[len(sums) // 2 :]


def _units(quantity: Decimal, billed: Decimal) -> str:
    return f"{quantity}" if billed == quantity else f"{quantity}, {billed} of them billed,"


def _amounts(costs: list[Decimal], other: list[Decimal]) -> str:
    """What they were sold for; what they cost, where that is what differs."""
    (cost, price), (other_cost, _) = costs, other
    return f" for {price}" + (f" at a cost of {cost}" if cost != other_cost else "")
