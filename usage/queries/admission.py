"""Admission: whether a workspace may start another call."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from billing.errors import NotFound
from billing.prepared import array, prepared_cursor
from usage.queries.net import net_spends


class Admission(NamedTuple):
    """`remaining` is what may still be spent in the active period, None without a limit."""

    allowed: bool
    reason: str | None
    remaining: Decimal | None


# For each: primary keys, one index look-up for the active period, and its few counter rows. A
# period with meters is named: what is spent in it is asked for apart.
_ADMISSIONS = """
SELECT asked.position, workspace.status, settings.usage_limit_monthly,
       settings.auto_pause_on_limit,
       coalesce(spent.final_cost, 0), CASE WHEN spent.has_meters THEN spent.period_id END
  FROM unnest(%(ids)s::uuid[]) WITH ORDINALITY AS asked (id, position)
  JOIN billing_workspace AS workspace ON workspace.id = asked.id
  JOIN billing_workspacebillingsettings AS settings ON settings.workspace_id = asked.id
  LEFT JOIN LATERAL (
       SELECT period.id AS period_id, period.has_meters, sum(counter.final_cost) AS final_cost
         FROM billing_active_period(asked.id, %(now)s::timestamptz) AS active (id)
         JOIN billing_billingperiod AS period ON period.id = active.id
         JOIN billing_periodcounter AS counter ON counter.period_id = period.id
        WHERE settings.usage_limit_monthly IS NOT NULL
        GROUP BY period.id) AS spent ON true
"""


def admission_of(workspace_id: UUID, now: dt.datetime) -> Admission:
    """Raises `NotFound` for an unknown workspace."""
    answer = admissions_of([workspace_id], now)[0]
    if isinstance(answer, NotFound):
        raise answer
    return answer


def admissions_of(workspace_ids: Sequence[UUID], now: dt.datetime) -> list[Admission | NotFound]:
    """For each of the workspaces, in one query, or two where prices depend on the whole period;
    `NotFound` in the place of an unknown one."""
    with prepared_cursor() as cursor:
        # As texts: psycopg takes longer to bind dates and lists than PostgreSQL to read these.
        ids = array([each.hex for each in workspace_ids])
        cursor.execute(_ADMISSIONS, {"now": now.isoformat(), "ids": ids}, prepare=True)
        rows = cursor.fetchall()
    net = net_spends([row[5] for row in rows if row[5] is not None])
    found = {
        position: _admission(status, limit, auto_pause, net.get(metered, spend))
        for position, status, limit, auto_pause, spend, metered in rows
    }
    return [
        found.get(position) or NotFound(f"There is no workspace {workspace_id}.")
        for position, workspace_id in enumerate(workspace_ids, start=1)
    ]


def _admission(status: str, limit: Decimal | None, auto_pause: bool, spend: Decimal) -> Admission:
    remaining = None if limit is None else max(limit - spend, Decimal(0))
    if status != "active":
        return Admission(False, status, remaining)
    if auto_pause and limit is not None and spend >= limit:
        return Admission(False, "usage_limit", remaining)
    return Admission(True, None, remaining)
