"""May a workspace start another call?"""

import datetime as dt
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from django.db import connection

from billing.errors import NotFound


class Admission(NamedTuple):
    """`remaining` is what may still be spent on usage this period, None without a limit."""

    allowed: bool
    reason: str | None
    remaining: Decimal | None


# Primary key, one index look-up for the period, and its few counter rows.
_ADMISSION = """
SELECT workspace.status, settings.usage_limit_monthly, settings.auto_pause_on_limit,
       CASE WHEN settings.usage_limit_monthly IS NOT NULL THEN coalesce((
           SELECT sum(counter.final_cost)
             FROM billing_billingperiod AS period
             JOIN billing_periodcounter AS counter ON counter.period_id = period.id
            WHERE period.workspace_id = workspace.id
              AND period.period_start <= %s AND period.period_end > %s), 0) END
  FROM billing_workspace AS workspace
  JOIN billing_workspacebillingsettings AS settings ON settings.workspace_id = workspace.id
 WHERE workspace.id = %s
"""


def admission_of(workspace_id: UUID, now: dt.datetime) -> Admission:
    """Raises `NotFound` for an unknown workspace."""
    with connection.cursor() as cursor:
        cursor.execute(_ADMISSION, [now, now, workspace_id])
        found = cursor.fetchone()
    if found is None:
        raise NotFound(f"There is no workspace {workspace_id}.")
    status, limit, auto_pause, spend = found
    remaining = None if limit is None else max(limit - spend, Decimal(0))
    if status != "active":
        return Admission(False, status, remaining)
    if auto_pause and limit is not None and spend >= limit:
        return Admission(False, "usage_limit", remaining)
    return Admission(True, None, remaining)
