"""Costs that are tried: what the uses of past months would have cost by another cost card.

From rollups, which know each day's quantity; a cost in another currency takes each day's exchange
rate. What was priced from its cost follows it, each record by the markup that it has: these sums
come from the records.
"""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from billing.costs import MAX_RATE_AGE, CostBook, CostInForce
from billing.errors import BillingError
from billing.models import ProviderCost
from billing.money import EXACT
from billing.replica import reading_connection
from billing.services.provider_costs import NewCost

Key = tuple[UUID, str, str, UUID | None]


class NoRateOfDay(BillingError):
    status = 422
    code = "no_exchange_rate"


class Recosted(NamedTuple):
    """One sum of records, and what a unit of it would cost."""

    key: Key
    workspace_id: UUID
    cost: CostInForce


class TriedCosts:
    """A cost card that is tried for all of the months, whatever the days of its rows."""

    def __init__(self, costs: Sequence[NewCost]) -> None:
        self.by_model = {(cost.provider, cost.resource_type) for cost in costs if cost.model}
        self._book = CostBook(
            (
                ProviderCost(
                    workspace_id=cost.workspace_id,
                    provider=cost.provider,
                    resource_type=cost.resource_type,
                    model=cost.model,
                    currency=cost.currency,
                    unit_cost=cost.unit_cost,
                    starts_on=dt.date.min,
                )
                for cost in costs
            ),
            (),
        )

    def of(self, workspace_id: UUID, resource_type: str, provider: str) -> CostInForce | None:
        """None: it costs what it did."""
        return self._book.cost_for(
            workspace_id.hex, dt.date.min.isoformat(), resource_type, provider
        )


_RATE_OF_DAY = """
  LEFT JOIN LATERAL (
       SELECT CASE WHEN {currency} = %(into)s THEN 1 ELSE (
              SELECT rate FROM billing_exchangerate
               WHERE from_currency = {currency} AND to_currency = %(into)s
                 AND day <= used.usage_date AND day >= used.usage_date - %(days)s
               ORDER BY day DESC LIMIT 1) END AS rate) AS exchange ON true
"""
# Plan: for each period one range scan of the rollups' unique index; few rows a day and currency.
_WORTH = f"""
SELECT used.billing_period_id, used.resource_type, used.provider, used.rate_id,
       sum(used.quantity * exchange.rate),
       min(used.usage_date) FILTER (WHERE exchange.rate IS NULL)
  FROM usage_usagerollup AS used
  {_RATE_OF_DAY.format(currency="%(currency)s")}
 WHERE used.billing_period_id = ANY(%(periods)s::uuid[]) AND used.provider = ANY(%(providers)s)
 GROUP BY 1, 2, 3, 4
"""  # noqa: S608 - no value is put into it


def costs_of(
    recosted: Collection[Recosted], quantities: Mapping[Key, Decimal], into: str
) -> dict[Key, Decimal]:
    """What each sum would cost in the currency `into`; a query for each other currency."""
    worth: dict[str, Mapping[Key, Decimal]] = {into: quantities}
    for currency in {each.cost.currency for each in recosted} - {into}:
        worth[currency] = _worth(
            [each for each in recosted if each.cost.currency == currency], into
        )
    return {
        each.key: EXACT.multiply(worth[each.cost.currency][each.key], each.cost.unit_cost)
        for each in recosted
    }


def _worth(recosted: Sequence[Recosted], into: str) -> dict[Key, Decimal]:
    """Each quantity times the exchange rate of its day. Raises `NoRateOfDay`."""
    currency = recosted[0].cost.currency
    wanted = {each.key for each in recosted}
    found = {}
    with reading_connection().cursor() as cursor:
        cursor.execute(
            _WORTH,
            {
                "currency": currency,
                "into": into,
                "days": MAX_RATE_AGE.days,
                "periods": list({each.key[0] for each in recosted}),
                "providers": list({each.key[2] for each in recosted}),
            },
        )
        for *key, amount, missing in cursor:
            if tuple(key) not in wanted:
                continue
            if missing is not None:
                raise NoRateOfDay(
                    f"There is no exchange rate from {currency} into {into} for {missing}."
                )
            found[key[0], key[1], key[2], key[3]] = amount
    return found


# Only prices from the cost without fixed amounts, minimums and maximums come here. Records are
# summed up by day before rates are joined to them: they may be on other servers (ADR 25).
_FOLLOWING = f"""
WITH used AS MATERIALIZED (
    SELECT record.billing_period_id, record.resource_type, record.provider, record.rate_id,
           record.usage_date, tried.currency,
           sum(coalesce(record.billed_quantity, record.quantity) * tried.unit_cost
               * (1 + record.markup_percentage / 100)) AS amount
      FROM unnest(%(workspaces)s::uuid[], %(periods)s::uuid[], %(types)s::text[],
                  %(providers)s::text[], %(rates)s::uuid[], %(costs)s::numeric[],
                  %(currencies)s::text[])
           AS tried (workspace_id, period_id, resource_type, provider, rate_id, unit_cost, currency)
      JOIN usage_usagerecord AS record
        ON record.workspace_id = tried.workspace_id AND record.billing_period_id = tried.period_id
       AND record.resource_type = tried.resource_type AND record.provider = tried.provider
       AND record.rate_id IS NOT DISTINCT FROM tried.rate_id
       AND record.occurred_at >= %(first)s::date - interval '2 days'
       AND record.occurred_at < %(last)s::date + interval '3 days'
     GROUP BY 1, 2, 3, 4, 5, 6
)
SELECT used.billing_period_id, used.resource_type, used.provider, used.rate_id,
       sum(used.amount * exchange.rate)
  FROM used
  {_RATE_OF_DAY.format(currency="used.currency")}
 GROUP BY 1, 2, 3, 4
"""  # noqa: S608 - no value is put into it


def listed_by_markup(
    recosted: Sequence[Recosted], into: str, *, first: dt.date, last: dt.date
) -> dict[Key, Decimal]:
    """List prices of what is sold at its cost and a markup, each record by its own."""
    if not recosted:
        return {}
    with reading_connection().cursor() as cursor:
        cursor.execute(
            _FOLLOWING,
            {
                "workspaces": [each.workspace_id for each in recosted],
                "periods": [each.key[0] for each in recosted],
                "types": [each.key[1] for each in recosted],
                "providers": [each.key[2] for each in recosted],
                "rates": [each.key[3] for each in recosted],
                "costs": [each.cost.unit_cost for each in recosted],
                "currencies": [each.cost.currency for each in recosted],
                "into": into,
                "days": MAX_RATE_AGE.days,
                "first": first,
                "last": last,
            },
        )
        return {(row[0], row[1], row[2], row[3]): row[4] for row in cursor}
