"""What has settled invoices against the rows that did: payments, shares, customers' credit."""

from collections.abc import Iterator

from usage.services.ledger import Difference, Scope, rows

_INVOICES = """
SELECT invoice.workspace_id, invoice.billing_period_id, invoice.number,
       invoice.amount_paid, coalesce(paid.amount, 0), invoice.credit_used,
       coalesce(credit.amount, 0)
  FROM invoices_invoice AS invoice
  LEFT JOIN (SELECT invoice_id, sum(amount) AS amount FROM payments_paymentallocation
              GROUP BY invoice_id) AS paid ON paid.invoice_id = invoice.id
  LEFT JOIN (SELECT invoice_id, -sum(amount) AS amount FROM payments_creditentry
              WHERE kind IN ('spent', 'returned') GROUP BY invoice_id) AS credit
    ON credit.invoice_id = invoice.id
 WHERE (invoice.amount_paid <> coalesce(paid.amount, 0)
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


def settlement_differences(scope: Scope) -> Iterator[Difference]:
    """Where sums of payments and credit are not those of the rows behind them."""
    for workspace, period, number, paid, shares, used, credit in rows(_INVOICES, scope):
        detail = (
            f"{number} is paid with {paid} and {used} of credit, its rows add up to {shares}"
            f" and {credit}"
        )
        yield Difference("invoice and payments", workspace, period, detail)
    for workspace, payment, amount, allocated, shares, to_credit, credit in rows(_PAYMENTS, scope):
        detail = (
            f"payment {payment} of {amount} says {allocated} and {to_credit} of credit, its rows"
            f" add up to {shares} and {credit}"
        )
        yield Difference("payments and their shares", workspace, None, detail)
    for workspace, currency, position, balance, due in rows(_CREDIT, scope):
        detail = f"entry {position} in {currency} leaves {balance}, its entries add up to {due}"
        yield Difference("credit", workspace, None, detail)
