"""Repair of rollups and counters: computed anew from the records, where they differ."""

from uuid import UUID

from django.db import connection, transaction

from usage.services.call_rollups import rebuild_call_rollups
from usage.services.ledger.sums import usage_differences


def rebuild_rollups(*, workspace_id: UUID | None = None) -> int:
    """Recompute from the records the rollups and counters of every period where they differ.

    How many periods (and, for calls, workspaces) were mended. Ingest waits while one is mended.
    What was mended is looked at again, since records on several servers are not all seen at one
    moment, and mended again if it must be.
    """
    mended: set[UUID] = set()
    for _ in range(_MAX_LOOKS):
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


_MAX_LOOKS = 5


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
