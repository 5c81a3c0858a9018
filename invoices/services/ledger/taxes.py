"""Net, tax and gross of invoices and of credit notes against their lines and rates."""

from collections.abc import Iterator

from usage.services.ledger import LedgerDifference, Scope, rows

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
   AND (%(period)s::uuid IS NULL OR invoice.billing_period_id = %(period)s)
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
   AND (%(period)s::uuid IS NULL OR invoice.billing_period_id = %(period)s)
 ORDER BY 1, 2
"""
# A credit note gives tax back at its invoice's own rates, on what its lines of each come to.
_CREDITED_BASES = """
SELECT invoice.workspace_id, invoice.billing_period_id, coalesce(note.number, 'a credit note'),
       taxed.name, taxed.rate, taxed.base, coalesce(items.net, 0)
  FROM invoices_creditnotetax AS taxed
  JOIN invoices_creditnote AS note ON note.id = taxed.credit_note_id
  JOIN invoices_invoice AS invoice ON invoice.id = note.invoice_id
  LEFT JOIN (SELECT line.credit_note_id, item.tax_category, coalesce(item.tax_rate, 0) AS tax_rate,
                    sum(line.net) AS net
               FROM invoices_creditnoteitem AS line
               JOIN invoices_invoiceitem AS item ON item.id = line.item_id
              GROUP BY 1, 2, 3) AS items
    ON items.credit_note_id = taxed.credit_note_id AND items.tax_category = taxed.category
   AND items.tax_rate = taxed.rate
 WHERE taxed.base <> coalesce(items.net, 0)
   AND (%(workspace)s::uuid IS NULL OR invoice.workspace_id = %(workspace)s)
   AND (%(period)s::uuid IS NULL OR invoice.billing_period_id = %(period)s)
 ORDER BY 1, 2
"""


def tax_differences(scope: Scope) -> Iterator[LedgerDifference]:
    """Where an invoice's net and tax are not those of its lines and of its rates."""
    for workspace, period, number, net, tax, items, base, taxes in rows(_TAXES, scope):
        detail = (
            f"{number} asks for {net} and {tax} of tax, its items come to {items}, its taxes to"
            f" {taxes} on {base}"
        )
        yield LedgerDifference("invoice and tax", workspace, period, detail)
    for workspace, period, number, name, rate, base, items in rows(_TAX_BASES, scope):
        detail = f"{number} takes {name} {rate} % on {base}, its items of that rate come to {items}"
        yield LedgerDifference("invoice and tax", workspace, period, detail)
    for workspace, period, number, name, rate, base, items in rows(_CREDITED_BASES, scope):
        detail = f"{number} gives {name} {rate} % back on {base}, its lines come to {items}"
        yield LedgerDifference("credit note and tax", workspace, period, detail)
