"""List prices of records by another price, added up by the database to the last digit.

What `billing.rating.records.RecordPrice` does record by record, as one statement: for prices whose
increments, fixed amounts, minimums or maximums no sum can tell.
"""

import datetime as dt
from collections.abc import Collection
from decimal import Decimal
from uuid import UUID

from billing.money import EXACT, ZERO
from billing.rating import CostPlus, Price, list_unit_price
from billing.replica import reading_connection

Key = tuple[UUID, str, str, UUID | None]

# A reversal is what it takes back, negated; a true-up has no units of its own, and the difference
# of what its record costs by both unit costs. The last step rounds half to even, which PostgreSQL's
# round() does not.
_LISTED = """
SELECT used.billing_period_id, used.resource_type, used.provider, used.rate_id,
       sum(CASE WHEN counted.is_unit THEN used.sign * billed.units ELSE 0 END),
       sum(used.sign * counted.part * CASE
           WHEN abs(exact.amount - trunc(exact.amount, 10)) = 0.00000000005
                AND mod(trunc(exact.amount * 10000000000), 2) = 0
           THEN trunc(exact.amount, 10) ELSE round(exact.amount, 10) END)
  FROM (
       SELECT record.billing_period_id, record.resource_type, record.provider, record.rate_id,
              record.unit_cost * coalesce(record.exchange_rate, 1) AS unit_cost,
              estimated.unit_cost * coalesce(estimated.exchange_rate, 1) AS estimated_cost,
              abs(coalesce(estimated.quantity, record.quantity)) AS quantity,
              CASE WHEN record.reverses_id IS NULL THEN 1 ELSE -1 END AS sign
         FROM usage_usagerecord AS record
         LEFT JOIN usage_usagerecord AS estimated
           ON record.trues_up_id IS NOT NULL
          AND estimated.workspace_id = record.workspace_id AND estimated.id = record.trues_up_id
        WHERE record.workspace_id = ANY(%(workspaces)s::uuid[])
          AND record.billing_period_id = ANY(%(periods)s::uuid[])
          AND record.resource_type = ANY(%(types)s::text[])
          AND record.occurred_at >= %(first)s::date - interval '2 days'
          AND record.occurred_at < %(last)s::date + interval '3 days'
       ) AS used,
       LATERAL (SELECT used.unit_cost, 1 AS part, used.estimated_cost IS NULL AS is_unit
                UNION ALL
                SELECT used.estimated_cost, -1, false WHERE used.estimated_cost IS NOT NULL
       ) AS counted,
       LATERAL (SELECT CASE
           WHEN %(step)s::numeric IS NULL OR used.quantity = 0 THEN used.quantity
           WHEN used.quantity <= %(least)s::numeric THEN %(least)s::numeric
           ELSE %(least)s::numeric + %(step)s::numeric * (
                div(used.quantity - %(least)s::numeric, %(step)s::numeric)
                + CASE WHEN mod(used.quantity - %(least)s::numeric, %(step)s::numeric) > 0
                       THEN 1 ELSE 0 END)
           END AS units) AS billed,
       LATERAL (SELECT CASE WHEN billed.units = 0 THEN 0 ELSE
           least(greatest(
               billed.units * CASE WHEN %(by_cost)s THEN counted.unit_cost ELSE 1 END
               * %(factor)s::numeric + %(fixed)s::numeric, %(min)s::numeric), %(max)s::numeric)
           END AS amount) AS exact
 GROUP BY 1, 2, 3, 4
"""


def listed_from_records(
    price: Price,
    *,
    workspace_ids: Collection[UUID],
    period_ids: Collection[UUID],
    resource_types: Collection[str],
    first: dt.date,
    last: dt.date,
) -> dict[Key, tuple[Decimal, Decimal]]:
    """Billed units and list prices by period, type, provider and rate; days of the records
    bound what is read."""
    if isinstance(price, CostPlus):
        factor = EXACT.add(Decimal(1), EXACT.divide(price.markup_percentage, Decimal(100)))
    else:
        factor = list_unit_price(price) or ZERO
    increment = price.increment
    with reading_connection().cursor() as cursor:
        cursor.execute(
            _LISTED,
            {
                "workspaces": list(workspace_ids),
                "periods": list(period_ids),
                "types": list(resource_types),
                "first": first,
                "last": last,
                "least": increment.first if increment else None,
                "step": increment.step if increment else None,
                "by_cost": isinstance(price, CostPlus),
                "factor": factor,
                "fixed": price.fixed,
                "min": price.min_amount,
                "max": price.max_amount,
            },
        )
        return {(row[0], row[1], row[2], row[3]): (row[4], row[5]) for row in cursor}
