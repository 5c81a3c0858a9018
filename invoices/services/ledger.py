"""Proving invoices: periods against rollups, invoices against periods, items against both."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import connection
from psycopg.types.json import Jsonb

from billing.money import CURRENCIES, charge_places, to_charge_minor
from usage.services.ledger import Difference

_FROZEN = """
SELECT period.workspace_id, period.id, period.subtotal, coalesce(rolled.final_cost, 0)
  FROM billing_billingperiod AS period
  LEFT JOIN (SELECT billing_period_id, sum(final_cost) AS final_cost
               FROM usage_usagerollup GROUP BY billing_period_id) AS rolled
    ON rolled.billing_period_id = period.id
 WHERE period.status <> 'current' AND period.subtotal <> coalesce(rolled.final_cost, 0)
   AND (%(workspace)s::uuid IS NULL OR period.workspace_id = %(workspace)s)
 ORDER BY 1, 2
"""
# Each line from its own columns; PostgreSQL rounds a numeric half away from zero, as the lines do.
_CHARGES = """
SELECT period.workspace_id, period.id, charge.description, charge.amount, worked.out
  FROM billing_periodcharge AS charge
  JOIN billing_billingperiod AS period ON period.id = charge.period_id
 CROSS JOIN LATERAL (SELECT CASE
       WHEN charge.kind IN ('subscription', 'add_on')
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
           + period.commitment_shortfall,
       coalesce(sums.fees + sums.add_ons + sums.discounts + sums.shortfall, 0)
  FROM billing_billingperiod AS period
  LEFT JOIN (SELECT period_id,
                    coalesce(sum(amount) FILTER (WHERE kind = 'subscription'), 0) AS fees,
                    coalesce(sum(amount) FILTER (WHERE kind = 'add_on'), 0) AS add_ons,
                    coalesce(sum(amount) FILTER (WHERE kind = 'discount'), 0) AS discounts,
                    coalesce(sum(amount) FILTER (WHERE kind = 'commitment'), 0) AS shortfall
               FROM billing_periodcharge GROUP BY period_id) AS sums
    ON sums.period_id = period.id
 WHERE (period.subscription_fee, period.add_on_fees, period.discounts, period.commitment_shortfall)
       IS DISTINCT FROM (coalesce(sums.fees, 0), coalesce(sums.add_ons, 0),
                         coalesce(sums.discounts, 0), coalesce(sums.shortfall, 0))
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
SELECT invoice.workspace_id, invoice.billing_period_id, invoice.number, invoice.amount,
       invoice.exact_amount, period.total_amount, coalesce(sums.amount, 0),
       coalesce(sums.exact_amount, 0)
  FROM invoices_invoice AS invoice
  JOIN billing_billingperiod AS period ON period.id = invoice.billing_period_id
  LEFT JOIN (SELECT invoice_id, sum(amount) AS amount, sum(exact_amount) AS exact_amount
               FROM invoices_invoiceitem GROUP BY invoice_id) AS sums
    ON sums.invoice_id = invoice.id
 WHERE (invoice.amount <> coalesce(sums.amount, 0)
        OR invoice.exact_amount <> coalesce(sums.exact_amount, 0)
        OR invoice.exact_amount <> period.total_amount
        OR invoice.amount <> round(invoice.exact_amount, (%(decimals)s::jsonb
                                                          ->> invoice.currency)::int))
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
    for workspace, period, subtotal, rolled in _rows(_FROZEN, workspace_id):
        detail = f"closed with a subtotal of {subtotal}, its rollups add up to {rolled}"
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
    if workspace_id is None:
        for issuer, year, last, count in _rows(_NUMBERS, None):
            detail = f"{issuer}-{year} has given out {last} numbers for {count} invoices"
            found.append(Difference("invoice numbers", None, None, detail))
    return found


def _rows(statement: str, workspace_id: UUID | None, **parameters: Any) -> Sequence[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(statement, {"workspace": workspace_id, **parameters})
        rows: list[tuple] = cursor.fetchall()
    return rows
