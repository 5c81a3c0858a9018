"""Ledger check of usage: records against rollups, rollups against counters; and repair of rollups.

One pass over the records for everything, whatever their number of workspaces: 10 million take well
under a minute. Each comparison is one statement, so that it sees one moment while usage goes on.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from django.db import connection, transaction

from usage.services.call_rollups import rebuild_call_rollups


@dataclass(frozen=True, slots=True)
class Difference:
    """Two places that should say the same; `what` names the rule, `detail` both sides."""

    what: str
    workspace_id: UUID | None
    period_id: UUID | None
    detail: str

    @property
    def place(self) -> tuple[str, UUID | None, UUID | None, str]:
        """What it is about, whatever the amounts."""
        row, colon, _ = self.detail.partition(": ")
        return self.what, self.workspace_id, self.period_id, row if colon else ""

    def __str__(self) -> str:
        where = f" period {self.period_id}" if self.period_id else ""
        return f"{self.what}: workspace {self.workspace_id}{where}: {self.detail}"


# No rate, or no agent, is a value like any other here: a join would not find it.
_NONE = UUID(int=0)
_ROLLUPS = f"""
WITH recorded AS (
    SELECT billing_period_id, usage_date, resource_type, provider,
           coalesce(rate_id, '{_NONE}') AS rate, min(workspace_id::text) AS owner,
           count(*) AS records, sum(quantity) AS quantity,
           sum(coalesce(billed_quantity, quantity)) AS billed_quantity,
           sum(total_cost) AS total_cost, sum(final_cost) AS final_cost
      FROM usage_usagerecord
     WHERE %(workspace)s::uuid IS NULL OR workspace_id = %(workspace)s
     GROUP BY billing_period_id, usage_date, resource_type, provider, rate
), rolled AS (
    SELECT billing_period_id, usage_date, resource_type, provider,
           coalesce(rate_id, '{_NONE}') AS rate, min(workspace_id::text) AS owner,
           sum(records) AS records, sum(quantity) AS quantity,
           sum(billed_quantity) AS billed_quantity, sum(total_cost) AS total_cost,
           sum(final_cost) AS final_cost
      FROM usage_usagerollup
     WHERE %(workspace)s::uuid IS NULL OR workspace_id = %(workspace)s
     GROUP BY billing_period_id, usage_date, resource_type, provider, rate
)
SELECT coalesce(recorded.owner, rolled.owner)::uuid, billing_period_id, usage_date, resource_type,
       provider, nullif(rate, '{_NONE}'),
       coalesce(recorded.records, 0), coalesce(recorded.quantity, 0),
       coalesce(recorded.billed_quantity, 0), coalesce(recorded.final_cost, 0),
       coalesce(rolled.records, 0), coalesce(rolled.quantity, 0),
       coalesce(rolled.billed_quantity, 0), coalesce(rolled.final_cost, 0)
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
      FROM usage_usagerecord
     WHERE (agent_id IS NOT NULL OR model IS NOT NULL)
       AND (%(workspace)s::uuid IS NULL OR workspace_id = %(workspace)s)
     GROUP BY billing_period_id, usage_date, agent, coalesce(model, ''), resource_type, provider
), rolled AS (
    SELECT billing_period_id, usage_date, coalesce(agent_id, '{_NONE}') AS agent,
           coalesce(model, '') AS model, resource_type, provider,
           min(workspace_id::text) AS owner, sum(records) AS records, sum(quantity) AS quantity,
           sum(total_cost) AS total_cost, sum(final_cost) AS final_cost
      FROM usage_dimensionrollup
     WHERE %(workspace)s::uuid IS NULL OR workspace_id = %(workspace)s
     GROUP BY billing_period_id, usage_date, agent, coalesce(model, ''), resource_type, provider
)
SELECT coalesce(recorded.owner, rolled.owner)::uuid, billing_period_id, usage_date, resource_type,
       provider, nullif(agent, '{_NONE}'), model,
       coalesce(recorded.records, 0), coalesce(recorded.quantity, 0),
       coalesce(recorded.final_cost, 0), coalesce(rolled.records, 0),
       coalesce(rolled.quantity, 0), coalesce(rolled.final_cost, 0)
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
     WHERE %(workspace)s::uuid IS NULL OR period.workspace_id = %(workspace)s
     GROUP BY period.id
), rolled AS (
    SELECT billing_period_id AS id, sum(records) AS records, sum(total_cost) AS total_cost,
           sum(final_cost) AS final_cost
      FROM usage_usagerollup
     WHERE %(workspace)s::uuid IS NULL OR workspace_id = %(workspace)s
     GROUP BY billing_period_id
)
SELECT counted.workspace_id, id, counted.records, counted.final_cost,
       coalesce(rolled.records, 0), coalesce(rolled.final_cost, 0)
  FROM counted LEFT JOIN rolled USING (id)
 WHERE (counted.records, counted.total_cost, counted.final_cost) IS DISTINCT FROM
       (coalesce(rolled.records, 0), coalesce(rolled.total_cost, 0),
        coalesce(rolled.final_cost, 0))
 ORDER BY 1, 2
"""
_CALLS = """
WITH called AS (
    SELECT workspace_id, local_date, local_hour, provider, status, direction, count(*) AS calls,
           count(duration_seconds) FILTER (WHERE status <> 'in_progress') AS timed_calls,
           coalesce(sum(duration_seconds) FILTER (WHERE status <> 'in_progress'), 0) AS seconds
      FROM usage_call
     WHERE %(workspace)s::uuid IS NULL OR workspace_id = %(workspace)s
     GROUP BY workspace_id, local_date, local_hour, provider, status, direction
)
SELECT workspace_id, local_date, local_hour, provider, status, direction,
       coalesce(called.calls, 0), coalesce(called.timed_calls, 0), coalesce(called.seconds, 0),
       coalesce(rollup.calls, 0), coalesce(rollup.timed_calls, 0),
       coalesce(rollup.duration_seconds, 0)
  FROM called
  FULL JOIN (SELECT * FROM usage_callrollup
              WHERE %(workspace)s::uuid IS NULL OR workspace_id = %(workspace)s) AS rollup
       USING (workspace_id, local_date, local_hour, provider, status, direction)
 WHERE (coalesce(called.calls, 0), coalesce(called.timed_calls, 0), coalesce(called.seconds, 0))
    IS DISTINCT FROM
       (coalesce(rollup.calls, 0), coalesce(rollup.timed_calls, 0),
        coalesce(rollup.duration_seconds, 0))
 ORDER BY 1, 2, 3
"""


def usage_differences(*, workspace_id: UUID | None = None) -> list[Difference]:
    """Where records, rollups and counters, or calls and their rollups, do not agree.

    Where records are distributed over several servers there is no moment that all of them are seen
    at: what differs is looked at again, and is no difference unless it still is one.
    """
    found = _differences(workspace_id)
    if not found:
        return []
    before = {each.place for each in found}
    return [each for each in _differences(workspace_id) if each.place in before]


def _differences(workspace_id: UUID | None) -> list[Difference]:
    found = []
    for workspace, period, *rest in _rows(_ROLLUPS, workspace_id):
        day, kind, provider, rate, *sums = rest
        by = f" by rate {rate}" if rate else ""
        records, *recorded = sums[:4]
        detail = (
            f"{day} {kind} {provider}{by}: {_sums(f'{records} records', *recorded)},"
            f" rolled up as {_sums(*sums[4:])}"
        )
        found.append(Difference("records and rollups", workspace, period, detail))
    for workspace, period, *rest in _rows(_DIMENSIONS, workspace_id):
        day, kind, provider, agent, model, *amounts = rest
        records, quantity, cost, records_, quantity_, cost_ = amounts
        which = (f" agent {agent}" if agent else "") + (f" model {model}" if model else "")
        detail = (
            f"{day} {kind} {provider}{which}: {records} records of {quantity} for {cost},"
            f" rolled up as {records_} of {quantity_} for {cost_}"
        )
        found.append(Difference("records and their dimensions", workspace, period, detail))
    for workspace, period, records, cost, records_, cost_ in _rows(_COUNTERS, workspace_id):
        found.append(
            Difference(
                "rollups and counters",
                workspace,
                period,
                f"{records_} records for {cost_} in rollups, {records} for {cost} counted",
            )
        )
    for workspace, day, hour, provider, status, direction, *sums in _rows(_CALLS, workspace_id):
        calls, timed, seconds, calls_, timed_, seconds_ = sums
        found.append(
            Difference(
                "calls and rollups",
                workspace,
                None,
                f"{day} {hour}:00 {provider} {status} {direction}: {calls} calls, {timed} of"
                f" them of {seconds} s, rolled up as {calls_}, {timed_} of them of {seconds_} s",
            )
        )
    return found


def _sums(records: object, quantity: Decimal, billed: Decimal, cost: Decimal) -> str:
    of = f"{quantity}" if billed == quantity else f"{quantity}, {billed} of them billed,"
    return f"{records} of {of} for {cost}"


def rebuild_rollups(*, workspace_id: UUID | None = None) -> int:
    """Recompute from the records the rollups and counters of every period where they differ.

    How many periods (and, for calls, workspaces) were mended. Ingest waits while one is mended.
    What was mended is looked at again, since records on several servers are not all seen at one
    moment, and mended again if it must be.
    """
    mended: set[UUID] = set()
    for _ in range(_MOST_LOOKS):
        differences = usage_differences(workspace_id=workspace_id)
        if not differences:
            break
        periods = {
            (each.period_id, each.workspace_id)
            for each in differences
            if each.period_id is not None and each.workspace_id is not None
        }
        workspaces = {
            each.workspace_id
            for each in differences
            if each.period_id is None and each.workspace_id is not None
        }
        for period_id, owner in sorted(periods):
            _rebuild_period(period_id, owner)
        for owner in sorted(workspaces):
            rebuild_call_rollups(workspace_id=owner)
        mended |= {period_id for period_id, _ in periods} | workspaces
    return len(mended)


_MOST_LOOKS = 5


# Ingest adds to rollups first, then to counters, in the transaction that inserts the records. With
# this lock no batch is in between: none can hold a rollup while it waits for a counter locked here.
_WAIT_FOR_BATCHES = "LOCK TABLE usage_usagerollup IN SHARE ROW EXCLUSIVE MODE"
# And a close, which starts with the counters, is over or has not begun.
_LOCK = """
SELECT id FROM billing_periodcounter WHERE period_id = %(period)s ORDER BY slot FOR UPDATE
"""
_FORGET = "DELETE FROM usage_usagerollup WHERE billing_period_id = %(period)s"
_FORGET_DIMENSIONS = "DELETE FROM usage_dimensionrollup WHERE billing_period_id = %(period)s"
_ROLL_UP = """
INSERT INTO usage_usagerollup (
    workspace_id, billing_period_id, slot, usage_date, resource_type, provider, rate_id,
    records, quantity, billed_quantity, total_cost, final_cost)
SELECT workspace_id, billing_period_id, 0, usage_date, resource_type, provider, rate_id,
       count(*), sum(quantity), sum(coalesce(billed_quantity, quantity)), sum(total_cost),
       sum(final_cost)
  FROM usage_usagerecord
 WHERE workspace_id = %(workspace)s AND billing_period_id = %(period)s
 GROUP BY 1, 2, usage_date, resource_type, provider, rate_id
"""
_ROLL_UP_DIMENSIONS = """
INSERT INTO usage_dimensionrollup (
    workspace_id, billing_period_id, slot, usage_date, agent_id, model, resource_type, provider,
    records, quantity, total_cost, final_cost)
SELECT workspace_id, billing_period_id, 0, usage_date, agent_id, model, resource_type, provider,
       count(*), sum(quantity), sum(total_cost), sum(final_cost)
  FROM usage_usagerecord
 WHERE workspace_id = %(workspace)s AND billing_period_id = %(period)s
   AND (agent_id IS NOT NULL OR model IS NOT NULL)
 GROUP BY 1, 2, usage_date, agent_id, model, resource_type, provider
"""
_COUNT = """
UPDATE billing_periodcounter AS counter
   SET records = coalesce(sums.records, 0),
       total_cost = coalesce(sums.total_cost, 0),
       final_cost = coalesce(sums.final_cost, 0),
       checked_up_to = NULL
  FROM (SELECT slots.slot, sum(rollup.records) AS records, sum(rollup.total_cost) AS total_cost,
               sum(rollup.final_cost) AS final_cost
          FROM billing_periodcounter AS slots
          LEFT JOIN usage_usagerollup AS rollup
            ON rollup.billing_period_id = slots.period_id AND rollup.slot = slots.slot
         WHERE slots.period_id = %(period)s
         GROUP BY slots.slot) AS sums
 WHERE counter.period_id = %(period)s AND counter.slot = sums.slot
"""


_REBUILD = (
    *(_WAIT_FOR_BATCHES, _LOCK, _FORGET, _FORGET_DIMENSIONS),
    *(_ROLL_UP, _ROLL_UP_DIMENSIONS, _COUNT),
)


def _rebuild_period(period_id: UUID, workspace_id: UUID) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in _REBUILD:
            cursor.execute(statement, {"period": period_id, "workspace": workspace_id})


def _rows(statement: str, workspace_id: UUID | None) -> Iterable[tuple]:
    with transaction.atomic(), connection.cursor() as cursor:
        # Room for all groups at once: hash aggregates that spill cost twice the time.
        cursor.execute("SET LOCAL work_mem = '256MB'")
        cursor.execute(statement, {"workspace": workspace_id})
        yield from cursor.fetchall()
