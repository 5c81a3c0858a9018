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

# By one unit cost. The last step rounds half to even, which PostgreSQL's round() does not.
_ROUNDED = """
       LATERAL (SELECT CASE WHEN billed.units = 0 THEN 0 ELSE
           least(greatest(
               billed.units * CASE WHEN %(by_cost)s THEN used.{unit_cost} ELSE 1 END
               * %(factor)s::numeric + %(fixed)s::numeric, %(min)s::numeric), %(max)s::numeric)
           END AS amount) AS exact_{name},
       LATERAL (SELECT CASE
           WHEN abs(exact_{name}.amount - trunc(exact_{name}.amount, 10)) = 0.00000000005
                AND mod(trunc(exact_{name}.amount * 10000000000), 2) = 0
           THEN trunc(exact_{name}.amount, 10) ELSE round(exact_{name}.amount, 10)
           END AS amount) AS {name}
"""
# A reversal is what it takes back, negated; a true-up has no units of its own, and the difference
# of what its record costs by both unit costs.
_LISTED = f"""
SELECT used.billing_period_id, used.resource_type, used.provider, used.rate_id,
       sum(CASE WHEN used.is_true_up THEN 0 ELSE used.sign * billed.units END),
       sum(used.sign
           * (own.amount - CASE WHEN used.is_true_up THEN estimated.amount ELSE 0 END))
  FROM (
       SELECT record.billing_period_id, record.resource_type, record.provider, record.rate_id,
              record.unit_cost * coalesce(record.exchange_rate, 1) AS unit_cost,
              original.unit_cost * coalesce(original.exchange_rate, 1) AS estimated_cost,
              original.id IS NOT NULL AS is_true_up,
              abs(coalesce(original.quantity, record.quantity)) AS quantity,
              CASE WHEN record.reverses_id IS NULL THEN 1 ELSE -1 END AS sign
         FROM usage_usagerecord AS record
         LEFT JOIN usage_usagerecord AS original
           ON record.trues_up_id IS NOT NULL
          AND original.workspace_id = record.workspace_id AND original.id = record.trues_up_id
        WHERE record.workspace_id = ANY(%(workspaces)s::uuid[])
          AND record.billing_period_id = ANY(%(periods)s::uuid[])
          AND record.resource_type = ANY(%(types)s::text[])
          AND record.occurred_at >= %(first)s::date - interval '2 days'
          AND record.occurred_at < %(last)s::date + interval '3 days'
       ) AS used,
       LATERAL (SELECT CASE
           WHEN %(step)s::numeric IS NULL OR used.quantity = 0 THEN used.quantity
           WHEN used.quantity <= %(least)s::numeric THEN %(least)s::numeric
           ELSE %(least)s::numeric + %(step)s::numeric * (
                div(used.quantity - %(least)s::numeric, %(step)s::numeric)
                + CASE WHEN mod(used.quantity - %(least)s::numeric, %(step)s::numeric) > 0
                       THEN 1 ELSE 0 END)
           END AS units) AS billed,
       {_ROUNDED.format(name="own", unit_cost="unit_cost")},
       {_ROUNDED.format(name="estimated", unit_cost="estimated_cost")}
 GROUP BY 1, 2, 3, 4
"""  # noqa: S608 - constants are all that goes in


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
