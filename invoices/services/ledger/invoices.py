"""Invoices against their lines, their periods' totals, and their numbers."""

from collections.abc import Iterator

from psycopg.types.json import Jsonb

from billing.money import CURRENCIES, charge_places, to_charge_minor
from usage.services.ledger import LedgerDifference, Scope, rows

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
   AND (%(period)s::uuid IS NULL OR invoice.billing_period_id = %(period)s)
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
   AND (%(period)s::uuid IS NULL OR period.id = %(period)s)
 ORDER BY 1, 2
"""
_NUMBERS = """
SELECT sequence.issuer, sequence.year, sequence.last_number, count(invoice.id)
  FROM invoices_invoicesequence AS sequence
  LEFT JOIN (SELECT id, number FROM invoices_invoice
             UNION ALL
             SELECT id, number FROM invoices_creditnote WHERE number IS NOT NULL) AS invoice
    ON invoice.number LIKE sequence.issuer || '-' || sequence.year || '-%%'
 GROUP BY sequence.id
HAVING count(invoice.id) <> sequence.last_number
"""


def invoice_differences(scope: Scope) -> Iterator[LedgerDifference]:
    """Where an invoice is not the sum of its lines or its period's total, is missing, or numbers
    have a gap."""
    for workspace, period, total, currency, void in rows(_UNBILLED, scope):
        if to_charge_minor(total, currency):
            detail = f"closed with {total} {currency} to pay, and " + (
                f"{void} is void: issue it anew or say why not" if void else "there is no invoice"
            )
            yield LedgerDifference("period and invoice", workspace, period, detail)
    # PostgreSQL rounds a numeric half away from zero, as invoices do.
    decimals = Jsonb({currency: charge_places(currency) for currency in CURRENCIES})
    for workspace, period, number, *amounts in rows(_INVOICES, scope, decimals=decimals):
        amount, exact, total, items, exact_items = amounts
        detail = (
            f"{number} asks for {amount} (exactly {exact}), its items for {items}"
            f" (exactly {exact_items}), the period comes to {total}"
        )
        yield LedgerDifference("invoice and items", workspace, period, detail)
    if scope.workspace_id is None:
        for issuer, year, last, count in rows(_NUMBERS, scope):
            detail = f"{issuer}-{year} has given out {last} numbers for {count} invoices"
            yield LedgerDifference("invoice numbers", None, None, detail)
