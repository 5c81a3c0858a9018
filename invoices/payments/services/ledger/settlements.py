"""What has settled invoices against the rows that did: payments, shares, customers' credit."""

from collections.abc import Iterator

from usage.services.ledger import LedgerDifference, Scope, rows

_INVOICES = """
SELECT invoice.workspace_id, invoice.billing_period_id, invoice.number,
       invoice.amount_paid, coalesce(paid.amount, 0) - coalesce(lost.amount, 0),
       invoice.credit_used,
       coalesce(credit.amount, 0)
  FROM invoices_invoice AS invoice
  LEFT JOIN (SELECT share.invoice_id, sum(share.amount) AS amount
               FROM payments_paymentallocation AS share
               LEFT JOIN payments_paymentreversal AS reversal
                 ON reversal.payment_id = share.payment_id
              WHERE reversal.id IS NULL GROUP BY share.invoice_id) AS paid
    ON paid.invoice_id = invoice.id
  LEFT JOIN (SELECT invoice_id, -sum(amount) AS amount FROM payments_creditentry
              WHERE kind IN ('spent', 'returned') GROUP BY invoice_id) AS credit
    ON credit.invoice_id = invoice.id
  LEFT JOIN (SELECT invoice_id, sum(asked_again) AS amount FROM payments_chargeback
              GROUP BY invoice_id) AS lost ON lost.invoice_id = invoice.id
 WHERE (invoice.amount_paid <> coalesce(paid.amount, 0) - coalesce(lost.amount, 0)
        OR invoice.credit_used <> coalesce(credit.amount, 0))
   AND (%(workspace)s::uuid IS NULL OR invoice.workspace_id = %(workspace)s)
   AND (%(period)s::uuid IS NULL OR invoice.billing_period_id = %(period)s)
 ORDER BY 1, 2, 3
"""
_PAYMENTS = """
SELECT payment.workspace_id, payment.id, payment.amount, payment.amount_allocated,
       coalesce(shares.amount, 0), payment.amount_to_credit, coalesce(credit.amount, 0)
  FROM payments_payment AS payment
  LEFT JOIN (SELECT payment_id, sum(amount) AS amount FROM payments_paymentallocation
              GROUP BY payment_id) AS shares ON shares.payment_id = payment.id
  LEFT JOIN (SELECT payment_id, sum(amount) AS amount FROM payments_creditentry
              WHERE kind = 'overpayment' GROUP BY payment_id) AS credit
    ON credit.payment_id = payment.id
 WHERE (payment.amount_allocated <> coalesce(shares.amount, 0)
        OR payment.amount_to_credit <> coalesce(credit.amount, 0)
        OR payment.amount <> payment.amount_allocated + payment.amount_to_credit)
   AND (%(workspace)s::uuid IS NULL OR payment.workspace_id = %(workspace)s)
   AND %(period)s::uuid IS NULL
 ORDER BY 1, 2
"""
_REVERSALS = """
SELECT payment.workspace_id, payment.id, reversal.id IS NOT NULL, payment.amount_to_credit,
       coalesce(credit.amount, 0)
  FROM payments_payment AS payment
  LEFT JOIN payments_paymentreversal AS reversal ON reversal.payment_id = payment.id
  LEFT JOIN (SELECT payment_id, -sum(amount) AS amount FROM payments_creditentry
              WHERE kind = 'taken_back' GROUP BY payment_id) AS credit
    ON credit.payment_id = payment.id
 WHERE coalesce(credit.amount, 0)
       <> CASE WHEN reversal.id IS NULL THEN 0 ELSE payment.amount_to_credit END
   AND (%(workspace)s::uuid IS NULL OR payment.workspace_id = %(workspace)s)
   AND %(period)s::uuid IS NULL
 ORDER BY 1, 2
"""
_CREDIT = """
SELECT workspace_id, currency, position, balance, due
  FROM (SELECT workspace_id, currency, position, balance,
               sum(amount) OVER (PARTITION BY workspace_id, currency ORDER BY position) AS due
          FROM payments_creditentry
         WHERE (%(workspace)s::uuid IS NULL OR workspace_id = %(workspace)s)
           AND %(period)s::uuid IS NULL) AS entry
 WHERE balance <> due
 ORDER BY 1, 2, 3
"""
_NOTES = """
SELECT invoice.workspace_id, invoice.billing_period_id, invoice.number,
       invoice.net_credited, invoice.tax_credited, invoice.amount_credited,
       coalesce(note.net, 0), coalesce(note.tax, 0), coalesce(note.to_open, 0),
       coalesce(items.held, 0), coalesce(lines.net, 0), coalesce(taxes.tax, 0)
  FROM invoices_invoice AS invoice
  LEFT JOIN (SELECT invoice_id, sum(net) AS net, sum(tax) AS tax, sum(to_open) AS to_open
               FROM invoices_creditnote WHERE status = 'issued' GROUP BY invoice_id) AS note
    ON note.invoice_id = invoice.id
  LEFT JOIN (SELECT invoice_id, sum(net_credited) AS held FROM invoices_invoiceitem
              WHERE net_credited <> 0 GROUP BY invoice_id) AS items ON items.invoice_id = invoice.id
  LEFT JOIN (SELECT note.invoice_id, sum(line.net) AS net
               FROM invoices_creditnoteitem AS line
               JOIN invoices_creditnote AS note ON note.id = line.credit_note_id
              WHERE note.status = 'issued' GROUP BY note.invoice_id) AS lines
    ON lines.invoice_id = invoice.id
  LEFT JOIN (SELECT note.invoice_id, sum(given.tax) AS tax
               FROM invoices_creditnotetax AS given
               JOIN invoices_creditnote AS note ON note.id = given.credit_note_id
              WHERE note.status = 'issued' GROUP BY note.invoice_id) AS taxes
    ON taxes.invoice_id = invoice.id
 WHERE ((invoice.net_credited, invoice.tax_credited, invoice.amount_credited)
        <> (coalesce(note.net, 0), coalesce(note.tax, 0), coalesce(note.to_open, 0))
        OR invoice.net_credited <> coalesce(items.held, 0)
        OR invoice.net_credited <> coalesce(lines.net, 0)
        OR invoice.tax_credited <> coalesce(taxes.tax, 0))
   AND (%(workspace)s::uuid IS NULL OR invoice.workspace_id = %(workspace)s)
   AND (%(period)s::uuid IS NULL OR invoice.billing_period_id = %(period)s)
 ORDER BY 1, 2, 3
"""


def settlement_differences(scope: Scope) -> Iterator[LedgerDifference]:
    """Where sums of payments, credit and credit notes are not those of the rows behind them."""
    for workspace, period, number, paid, shares, used, credit in rows(_INVOICES, scope):
        detail = (
            f"{number} is paid with {paid} and {used} of credit, its rows add up to {shares}"
            f" and {credit}"
        )
        yield LedgerDifference("invoice and payments", workspace, period, detail)
    for workspace, payment, amount, allocated, shares, to_credit, credit in rows(_PAYMENTS, scope):
        detail = (
            f"payment {payment} of {amount} says {allocated} and {to_credit} of credit, its rows"
            f" add up to {shares} and {credit}"
        )
        yield LedgerDifference("payments and their shares", workspace, None, detail)
    for workspace, payment, reversed_, to_credit, credit in rows(_REVERSALS, scope):
        detail = (
            f"payment {payment} is {'' if reversed_ else 'not '}taken back and left {to_credit} of"
            f" credit, of which {credit} is taken back"
        )
        yield LedgerDifference("payments and their shares", workspace, None, detail)
    for workspace, currency, position, balance, due in rows(_CREDIT, scope):
        detail = f"entry {position} in {currency} leaves {balance}, its entries add up to {due}"
        yield LedgerDifference("credit", workspace, None, detail)
    for workspace, period, number, net, tax, opened, *sums in rows(_NOTES, scope):
        detail = (
            f"{number} says that {net} net, {tax} tax and {opened} of what was open are credited,"
            f" its credit notes, lines and taxes add up to {', '.join(map(str, sums))}"
        )
        yield LedgerDifference("invoice and credit notes", workspace, period, detail)
