"""What tiers, packages and included units add to list prices, shared out to providers and types."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import QuerySet, Sum

from billing.models import BillingPeriod
from billing.money import ZERO
from usage.models import UsageRollup
from usage.queries.meters import meter_adjustment, metered_prices, shared_out


class Adjusted(NamedTuple):
    """What a period's meters add to the list prices of one provider and resource type."""

    currency: str
    period_id: UUID
    provider: str
    resource_type: str
    amount: Decimal
    listed: Decimal
    records: int


# For statements over rollups `u`, of either kind: the adjustments as a table, to be given
# `as_parameters`, and a row's part of those of its period, provider and type. By list price, and by
# records where nothing has one.
ADJUSTED = """adjusted AS (
       SELECT * FROM unnest(%(periods)s::uuid[], %(types)s::text[], %(providers)s::text[],
                            %(amounts)s::numeric[], %(listed)s::numeric[],
                            %(records)s::numeric[])
              AS each (billing_period_id, resource_type, provider, amount, listed, records))"""
WITH_ADJUSTED = """
  LEFT JOIN adjusted AS added USING (billing_period_id, resource_type, provider)"""
PART_OF_ROW = """coalesce(CASE WHEN added.listed <> 0
                 THEN added.amount * u.final_cost / added.listed
                 ELSE added.amount * u.records / nullif(added.records, 0) END, 0)"""


def as_parameters(added: Sequence[Adjusted]) -> dict[str, list[Any]]:
    return {
        "periods": [each.period_id for each in added],
        "types": [each.resource_type for each in added],
        "providers": [each.provider for each in added],
        "amounts": [each.amount for each in added],
        "listed": [each.listed for each in added],
        "records": [each.records for each in added],
    }


def adjustments(periods: QuerySet[BillingPeriod]) -> Iterator[Adjusted]:
    """What tiers and included units of `periods`, open or closed, add to list prices, once for
    each period, provider and type.

    A meter may hold several providers: each has the share of its list prices.
    """
    rows = (
        UsageRollup.objects.filter(billing_period__in=periods.filter(has_meters=True))
        .order_by()
        .values_list(
            "billing_period_id", "rate_id", "workspace__currency", "provider", "resource_type"
        )
        .annotate(Sum("billed_quantity"), Sum("final_cost"), Sum("records"))
    )
    meters: dict[tuple[UUID, UUID], list[tuple[str, Decimal, Decimal]]] = defaultdict(list)
    currencies: dict[UUID, str] = {}
    # Of all that a provider and type have, whichever rate priced it.
    listed_in: dict[tuple[UUID, str, str], Decimal] = defaultdict(Decimal)
    records_in: Counter[tuple[UUID, str, str]] = Counter()
    for period_id, rate_id, currency, provider, resource_type, billed, listed, records in rows:
        currencies[period_id] = currency
        listed_in[period_id, provider, resource_type] += listed
        records_in[period_id, provider, resource_type] += records
        if rate_id is not None:
            meters[period_id, rate_id].append((provider, billed, listed))
    prices = metered_prices(rate_id for _, rate_id in meters)
    added: dict[tuple[UUID, str, str], Decimal] = defaultdict(Decimal)
    for (period_id, rate_id), parts in meters.items():
        if rate_id not in prices:
            continue
        rate = prices[rate_id]
        billed = sum((part[1] for part in parts), ZERO)
        listed = sum((part[2] for part in parts), ZERO)
        amount = meter_adjustment(rate.price, billed=billed, listed=listed)
        for provider, share in shared_out(amount, {part[0]: part[2] for part in parts}).items():
            added[period_id, provider, rate.match.resource_type] += share
    for (period_id, provider, resource_type), amount in added.items():
        key = period_id, provider, resource_type
        yield Adjusted(currencies[period_id], *key, amount, listed_in[key], records_in[key])
