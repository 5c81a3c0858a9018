"""Reads of calls and of what they cost."""

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from django.db import connections

from billing.money import ZERO
from billing.replica import PRIMARY
from usage.models import CallPriceProgress
from usage.queries.usual_calls import NOTHING, ResourcePart

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


class CallUse(NamedTuple):
    """What the records of some calls come to; `rate_ids` are those that they were priced by."""

    records: int
    cost: Decimal
    price: Decimal
    rate_ids: set[UUID | None]
    parts: Mapping[str, ResourcePart]


_USE = """
SELECT resource_type, rate_id, count(*), sum(quantity), sum(total_cost), sum(final_cost)
  FROM usage_usagerecord
 WHERE workspace_id = %s AND call_id = %s
 GROUP BY resource_type, rate_id
"""


def use_of_call(workspace_id: UUID, call_id: UUID) -> CallUse:
    """Of one call, which may not be known yet. One query."""
    records, cost, price = 0, ZERO, ZERO
    rate_ids: set[UUID | None] = set()
    parts: dict[str, ResourcePart] = {}
    with connections[PRIMARY].cursor() as cursor:
        cursor.execute(_USE, [workspace_id, call_id])
        for resource_type, rate_id, count, of_quantity, of_cost, of_price in cursor:
            records += count
            cost += of_cost
            price += of_price
            rate_ids.add(rate_id)
            known = parts.get(resource_type, NOTHING)
            parts[resource_type] = ResourcePart(
                known.quantity + of_quantity, known.price + of_price
            )
    return CallUse(records, cost, price, rate_ids, parts)


_PRICES = """
SELECT call_id, rate_id, sum(final_cost) FROM usage_usagerecord
 WHERE workspace_id = %s AND call_id = ANY(%s)
 GROUP BY call_id, rate_id
"""


def prices_of_calls(
    workspace_id: UUID, call_ids: Sequence[UUID]
) -> tuple[dict[UUID, Decimal], set[UUID | None]]:
    """What each of the calls with usage has cost so far, and by which rates. One query."""
    prices: dict[UUID, Decimal] = defaultdict(Decimal)
    rate_ids = set()
    with connections[PRIMARY].cursor() as cursor:
        cursor.execute(_PRICES, [workspace_id, list(call_ids)])
        for call_id, rate_id, price in cursor:
            prices[call_id] += price
            rate_ids.add(rate_id)
    return prices, rate_ids
