"""Reads of calls and of what they cost."""

import datetime as dt
from uuid import UUID

from django.db import connections

from billing.replica import PRIMARY
from usage.models import CallPriceProgress

# From each provider to the next one along the index: a descent for each, however many calls.
_PROVIDERS = """
WITH RECURSIVE found AS (
    (SELECT provider FROM usage_callprice WHERE workspace_id = %(workspace)s
      ORDER BY provider LIMIT 1)
    UNION ALL
    SELECT (SELECT provider FROM usage_callprice
             WHERE workspace_id = %(workspace)s AND provider > found.provider
             ORDER BY provider LIMIT 1)
      FROM found WHERE found.provider IS NOT NULL
)
SELECT provider FROM found WHERE provider IS NOT NULL
"""


def providers_of_calls(workspace_id: UUID) -> list[str]:
    """Through which providers the workspace's calls have gone."""
    with connections[PRIMARY].cursor() as cursor:
        cursor.execute(_PROVIDERS, {"workspace": workspace_id})
        return [row[0] for row in cursor]


def prices_as_of() -> dt.datetime | None:
    """Up to when calls are priced; None before the first time."""
    return CallPriceProgress.objects.values_list("up_to", flat=True).first()
