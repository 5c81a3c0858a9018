"""What tiers, packages and included units have added, worked out anew from the rollups."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal
from uuid import UUID

from django.db import connection

from billing.models import BillingPeriod
from billing.money import ZERO
from billing.rating import depends_on_period
from billing.recorded_rates import prices_by_rate
from invoices.services.ledger.periods import closed_periods
from usage.queries.meters import Meter, meter_as_json
from usage.queries.net import frozen_meters, live_meters
from usage.services.ledger import LedgerDifference, Scope, rows

# A void invoice bills nothing; its replacement's items are copies.
_ITEMS = """
SELECT invoice.billing_period_id, sum(item.adjustment)
  FROM invoices_invoiceitem AS item
  JOIN invoices_invoice AS invoice ON invoice.id = item.invoice_id
 WHERE invoice.billing_period_id = ANY(%s::uuid[])
 GROUP BY invoice.id
"""
_UNMARKED = """
SELECT DISTINCT period.workspace_id, period.id, rollup.rate_id
  FROM billing_billingperiod AS period
  JOIN usage_usagerollup AS rollup ON rollup.billing_period_id = period.id
 WHERE NOT period.has_meters AND rollup.rate_id IS NOT NULL
   AND (%(workspace)s::uuid IS NULL OR period.workspace_id = %(workspace)s)
   AND (%(period)s::uuid IS NULL OR period.id = %(period)s)
"""


def adjustment_differences(scope: Scope) -> Iterator[LedgerDifference]:
    """Where prices of the whole period, worked out anew from the rollups, are not what the close
    has frozen; and periods that have meters and do not say so."""
    unmarked = rows(_UNMARKED, scope)
    prices = prices_by_rate({rate_id for *_, rate_id in unmarked})
    for workspace, period, rate_id in unmarked:
        if rate_id in prices and depends_on_period(prices[rate_id].price):
            detail = f"rate {rate_id} depends on the whole period, which does not say so"
            yield LedgerDifference("period and meters", workspace, period, detail)
    for periods in closed_periods(scope, has_meters=True):
        yield from _frozen_differences(periods)


def _frozen_differences(periods: Sequence[BillingPeriod]) -> Iterator[LedgerDifference]:
    live = live_meters(periods)
    frozen = frozen_meters([period.pk for period in periods])
    billed: dict[UUID, set[Decimal]] = defaultdict(set)
    with connection.cursor() as cursor:
        cursor.execute(_ITEMS, [[period.pk for period in periods]])
        for period_id, adjustment in cursor:
            billed[period_id].add(adjustment)
    for period in periods:
        now, then = _by_rate(live.get(period.pk, [])), _by_rate(frozen.get(period.pk, []))
        for key in sorted(now.keys() | then.keys(), key=str):
            if now.get(key) != then.get(key):
                detail = (
                    f"rate {key[0]}{f' of {key[1]:%B %Y}' if key[1] else ''}: closed with"
                    f" {_said(then.get(key))}, its rollups come to {_said(now.get(key))}"
                )
                yield LedgerDifference("period and meters", period.workspace_id, period.pk, detail)
        if detail := _said_otherwise(live.get(period.pk, []), frozen.get(period.pk, [])):
            yield LedgerDifference("period and meters", period.workspace_id, period.pk, detail)
        total = sum((amounts[2] for amounts in then.values()), ZERO)
        if {total} != {period.adjustment, *billed[period.pk]}:
            items = ", ".join(f"{each:f}" for each in sorted(billed[period.pk])) or "none"
            detail = (
                f"closed with {period.adjustment:f} for its meters, which add up to {total:f};"
                f" its invoices' items: {items}"
            )
            yield LedgerDifference("period and meters", period.workspace_id, period.pk, detail)


# Compared to the last digit by themselves.
_SUMS = ("quantity", "list_amount", "adjustment", "amount")
_Amounts = tuple[Decimal, Decimal, Decimal]


def _by_rate(meters: Sequence[Meter]) -> dict[tuple[UUID, dt.date | None], _Amounts]:
    return {
        (meter.rate_id, meter.late_month): (meter.billed, meter.listed, meter.adjustment)
        for meter in meters
    }


def _said_otherwise(live: Sequence[Meter], frozen: Sequence[Meter]) -> str:
    """The first text or line of a frozen meter that is not what its price makes; "" for none."""
    made = {(meter.rate_id, meter.late_month): meter_as_json(meter) for meter in live}
    for meter in frozen:
        now, then = made.get((meter.rate_id, meter.late_month)), meter_as_json(meter)
        for name, value in then.items():
            if now is not None and now[name] != value and name not in _SUMS:
                return f"{meter.description}: its {name} is {value}, its price makes {now[name]}"
    return ""


def _said(amounts: _Amounts | None) -> str:
    if amounts is None:
        return "nothing"
    billed, listed, adjustment = amounts
    return f"{billed:f} units, {listed:f} at list price and {adjustment:f}"
