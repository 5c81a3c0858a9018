"""Proving invoices: periods against rollups, invoices against periods, items against both."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection
from psycopg.types.json import Jsonb

from billing.models import BillingPeriod
from billing.money import CURRENCIES, ZERO, charge_places, to_charge_minor
from billing.pricing import prices_by_rate
from billing.rating import depends_on_period
from usage.queries.meters import Meter
from usage.queries.net import frozen_meters, live_meters
from usage.services.ledger import Difference

_FROZEN = """
SELECT period.workspace_id, period.id, period.subtotal, period.adjustment,
       coalesce(rolled.final_cost, 0)
  FROM billing_billingperiod AS period
  LEFT JOIN (SELECT billing_period_id, sum(final_cost) AS final_cost
               FROM usage_usagerollup GROUP BY billing_period_id) AS rolled
    ON rolled.billing_period_id = period.id
 WHERE period.status <> 'current'
   AND period.subtotal <> coalesce(rolled.final_cost, 0) + period.adjustment
   AND (%(workspace)s::uuid IS NULL OR period.workspace_id = %(workspace)s)
 ORDER BY 1, 2
"""
# Each line from its own columns; PostgreSQL rounds a numeric half away from zero, as the lines do.
_CHARGES = """
SELECT period.workspace_id, period.id, charge.description, charge.amount, worked.out
  FROM billing_periodcharge AS charge
  JOIN billing_billingperiod AS period ON period.id = charge.period_id
 CROSS JOIN LATERAL (SELECT CASE
       WHEN charge.kind IN ('subscription', 'add_on', 'manual')
       THEN round(charge.quantity * charge.unit_price * charge.days / charge.of_days, 10)
       WHEN charge.kind = 'discount'
       THEN -least(charge.base, coalesce(round(charge.base * charge.percentage / 100, 10),
                                         charge.unit_price))
       ELSE least(charge.unit_price, greatest(0, charge.unit_price - charge.base))
       END AS out) AS worked
 WHERE charge.amount <> worked.out
   AND (%(workspace)s::uuid IS NULL OR period.workspace_id = %(workspace)s)
 ORDER BY 1, 2, charge.position
"""
_CHARGED = """
SELECT period.workspace_id, period.id,
       period.subscription_fee + period.add_on_fees + period.discounts
           + period.commitment_shortfall + period.manual_items,
       coalesce(sums.fees + sums.add_ons + sums.discounts + sums.shortfall + sums.manual, 0)
  FROM billing_billingperiod AS period
  LEFT JOIN (SELECT period_id,
                    coalesce(sum(amount) FILTER (WHERE kind = 'subscription'), 0) AS fees,
                    coalesce(sum(amount) FILTER (WHERE kind = 'add_on'), 0) AS add_ons,
                    coalesce(sum(amount) FILTER (WHERE kind = 'discount'), 0) AS discounts,
                    coalesce(sum(amount) FILTER (WHERE kind = 'commitment'), 0) AS shortfall,
                    coalesce(sum(amount) FILTER (WHERE kind = 'manual'), 0) AS manual
               FROM billing_periodcharge GROUP BY period_id) AS sums
    ON sums.period_id = period.id
 WHERE (period.subscription_fee, period.add_on_fees, period.discounts, period.commitment_shortfall,
        period.manual_items)
       IS DISTINCT FROM (coalesce(sums.fees, 0), coalesce(sums.add_ons, 0),
                         coalesce(sums.discounts, 0), coalesce(sums.shortfall, 0),
                         coalesce(sums.manual, 0))
   AND (%(workspace)s::uuid IS NULL OR period.workspace_id = %(workspace)s)
 ORDER BY 1, 2
"""
_OPEN_COUNTERS = """
SELECT DISTINCT period.workspace_id, period.id
  FROM billing_billingperiod AS period
  JOIN billing_periodcounter AS counter ON counter.period_id = period.id
 WHERE (counter.is_open AND period.status <> 'current')
   AND (%(workspace)s::uuid IS NULL OR period.workspace_id = %(workspace)s)
"""
_INVOICES = """
SELECT invoice.workspace_id, invoice.billing_period_id, invoice.number, priced.amount,
       invoice.exact_amount, coalesce(period.total_amount, invoice.exact_amount),
       coalesce(sums.amount, 0), coalesce(sums.exact_amount, 0)
  FROM invoices_invoice AS invoice
 CROSS JOIN LATERAL (SELECT CASE WHEN invoice.prices_include_tax THEN invoice.amount
                                 ELSE invoice.net END AS amount) AS priced
  LEFT JOIN billing_billingperiod AS period ON period.id = invoice.billing_period_id
  LEFT JOIN (SELECT invoice_id, sum(amount) AS amount, sum(exact_amount) AS exact_amount
               FROM invoices_invoiceitem GROUP BY invoice_id) AS sums
    ON sums.invoice_id = invoice.id
 WHERE (priced.amount <> coalesce(sums.amount, 0)
        OR invoice.exact_amount <> coalesce(sums.exact_amount, 0)
        OR invoice.exact_amount <> period.total_amount
        OR priced.amount <> round(invoice.exact_amount, (%(decimals)s::jsonb
                                                         ->> invoice.currency)::int))
   AND (%(workspace)s::uuid IS NULL OR invoice.workspace_id = %(workspace)s)
 ORDER BY 1, 2
"""
# A line's net is the same as its amount, unless its price has the tax in it.
_TAXES = """
SELECT invoice.workspace_id, invoice.billing_period_id, invoice.number, invoice.net, invoice.tax,
       coalesce(items.net, 0), coalesce(taxes.base, 0), coalesce(taxes.tax, 0)
  FROM invoices_invoice AS invoice
  LEFT JOIN (SELECT invoice_id, sum(net) AS net FROM invoices_invoiceitem GROUP BY invoice_id)
    AS items ON items.invoice_id = invoice.id
  LEFT JOIN (SELECT invoice_id, sum(base) AS base, sum(tax) AS tax
               FROM invoices_invoicetax GROUP BY invoice_id) AS taxes
    ON taxes.invoice_id = invoice.id
 WHERE (invoice.net <> coalesce(items.net, 0) OR invoice.tax <> coalesce(taxes.tax, 0)
        OR invoice.net <> taxes.base)
   AND (%(workspace)s::uuid IS NULL OR invoice.workspace_id = %(workspace)s)
 ORDER BY 1, 2
"""
# Each rate's base is what its lines come to.
_TAX_BASES = """
SELECT invoice.workspace_id, invoice.billing_period_id, invoice.number, taxed.name, taxed.rate,
       taxed.base, coalesce(items.net, 0)
  FROM invoices_invoicetax AS taxed
  JOIN invoices_invoice AS invoice ON invoice.id = taxed.invoice_id
  LEFT JOIN (SELECT invoice_id, tax_category, tax_rate, sum(net) AS net
               FROM invoices_invoiceitem GROUP BY 1, 2, 3) AS items
    ON items.invoice_id = taxed.invoice_id AND items.tax_category = taxed.category
   AND items.tax_rate = taxed.rate
 WHERE taxed.base <> coalesce(items.net, 0)
   AND (%(workspace)s::uuid IS NULL OR invoice.workspace_id = %(workspace)s)
 ORDER BY 1, 2
"""
_UNBILLED = """
SELECT period.workspace_id, period.id, period.total_amount, workspace.currency,
       (SELECT max(invoice.number) FROM invoices_invoice AS invoice
         WHERE invoice.billing_period_id = period.id)
  FROM billing_billingperiod AS period
  JOIN billing_workspace AS workspace ON workspace.id = period.workspace_id
 WHERE period.status <> 'current' AND period.total_amount > 0
   AND NOT EXISTS (SELECT FROM invoices_invoice AS invoice
                    WHERE invoice.billing_period_id = period.id
                      AND (invoice.status <> 'void' OR invoice.unbilled_reason <> ''))
   AND (%(workspace)s::uuid IS NULL OR period.workspace_id = %(workspace)s)
 ORDER BY 1, 2
"""
_NUMBERS = """
SELECT sequence.issuer, sequence.year, sequence.last_number, count(invoice.id)
  FROM invoices_invoicesequence AS sequence
  LEFT JOIN invoices_invoice AS invoice
    ON invoice.number LIKE sequence.issuer || '-' || sequence.year || '-%%'
 GROUP BY sequence.id
HAVING count(invoice.id) <> sequence.last_number
"""


def invoice_differences(*, workspace_id: UUID | None = None) -> list[Difference]:
    """Where closed periods, invoices, their items or their numbers do not agree."""
    found = []
    for workspace, period, subtotal, adjustment, rolled in _rows(_FROZEN, workspace_id):
        added = f" with {adjustment} for its meters" if adjustment else ""
        detail = f"closed with a subtotal of {subtotal}{added}, its rollups add up to {rolled}"
        found.append(Difference("period and rollups", workspace, period, detail))
    for workspace, period, text, amount, worked_out in _rows(_CHARGES, workspace_id):
        detail = f"{text}: charged {amount}, its own terms make it {worked_out}"
        found.append(Difference("charge and its terms", workspace, period, detail))
    for workspace, period, amount, lines in _rows(_CHARGED, workspace_id):
        detail = f"closed with {amount} of fees and discounts, their lines add up to {lines}"
        found.append(Difference("period and charges", workspace, period, detail))
    for workspace, period in _rows(_OPEN_COUNTERS, workspace_id):
        detail = "closed, but a counter still lets records in"
        found.append(Difference("period and counters", workspace, period, detail))
    for workspace, period, total, currency, void in _rows(_UNBILLED, workspace_id):
        if to_charge_minor(total, currency):
            detail = f"closed with {total} {currency} to pay, and " + (
                f"{void} is void: issue it anew or say why not" if void else "there is no invoice"
            )
            found.append(Difference("period and invoice", workspace, period, detail))
    # PostgreSQL rounds a numeric half away from zero, as invoices do.
    decimals = Jsonb({currency: charge_places(currency) for currency in CURRENCIES})
    for workspace, period, number, *amounts in _rows(_INVOICES, workspace_id, decimals=decimals):
        amount, exact, total, items, exact_items = amounts
        detail = (
            f"{number} asks for {amount} (exactly {exact}), its items for {items}"
            f" (exactly {exact_items}), the period comes to {total}"
        )
        found.append(Difference("invoice and items", workspace, period, detail))
    for workspace, period, number, net, tax, items, base, taxes in _rows(_TAXES, workspace_id):
        detail = (
            f"{number} asks for {net} and {tax} of tax, its items come to {items}, its taxes to"
            f" {taxes} on {base}"
        )
        found.append(Difference("invoice and tax", workspace, period, detail))
    for workspace, period, number, name, rate, base, items in _rows(_TAX_BASES, workspace_id):
        detail = f"{number} takes {name} {rate} % on {base}, its items of that rate come to {items}"
        found.append(Difference("invoice and tax", workspace, period, detail))
    found += meter_differences(workspace_id=workspace_id)
    if workspace_id is None:
        for issuer, year, last, count in _rows(_NUMBERS, None):
            detail = f"{issuer}-{year} has given out {last} numbers for {count} invoices"
            found.append(Difference("invoice numbers", None, None, detail))
    return found


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
"""
_CHUNK = 500


def meter_differences(*, workspace_id: UUID | None = None) -> list[Difference]:
    """Where prices of the whole period, worked out anew from the rollups, are not what the close
    has frozen; and periods that have meters and do not say so."""
    found = []
    unmarked = _rows(_UNMARKED, workspace_id)
    prices = prices_by_rate({rate_id for *_, rate_id in unmarked})
    for workspace, period, rate_id in unmarked:
        if rate_id in prices and depends_on_period(prices[rate_id].price):
            detail = f"rate {rate_id} depends on the whole period, which does not say so"
            found.append(Difference("period and meters", workspace, period, detail))
    closed = BillingPeriod.objects.filter(has_meters=True).exclude(status="current")
    if workspace_id is not None:
        closed = closed.filter(workspace=workspace_id)
    ids = list(closed.order_by("pk").values_list("pk", flat=True))
    for start in range(0, len(ids), _CHUNK):
        some = BillingPeriod.objects.filter(pk__in=ids[start : start + _CHUNK])
        found += _frozen_differences(list(some.select_related("workspace").order_by("pk")))
    return found


def _frozen_differences(periods: Sequence[BillingPeriod]) -> Iterator[Difference]:
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
                yield Difference("period and meters", period.workspace_id, period.pk, detail)
        total = sum((amounts[2] for amounts in then.values()), ZERO)
        if {total} != {period.adjustment, *billed[period.pk]}:
            items = ", ".join(f"{each:f}" for each in sorted(billed[period.pk])) or "none"
            detail = (
                f"closed with {period.adjustment:f} for its meters, which add up to {total:f};"
                f" its invoices' items: {items}"
            )
            yield Difference("period and meters", period.workspace_id, period.pk, detail)


_Amounts = tuple[Decimal, Decimal, Decimal]


def _by_rate(meters: Sequence[Meter]) -> dict[tuple[UUID, dt.date | None], _Amounts]:
    return {
        (meter.rate_id, meter.late_month): (meter.billed, meter.listed, meter.adjustment)
        for meter in meters
    }


def _said(amounts: _Amounts | None) -> str:
    if amounts is None:
        return "nothing"
    billed, listed, adjustment = amounts
    return f"{billed:f} units, {listed:f} at list price and {adjustment:f}"


def _rows(statement: str, workspace_id: UUID | None, **parameters: Any) -> Sequence[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(statement, {"workspace": workspace_id, **parameters})
        rows: list[tuple] = cursor.fetchall()
    return rows
