"""What came in and what went back: by month and way, and payment by payment."""

from typing import Any

from analytics.reports.definition import (
    ASKED_FOR,
    CURRENCY,
    CUSTOMER,
    MONTH,
    NOTED_ON,
    Basis,
    Report,
    ReportRequest,
    count,
    day,
    money,
    selected,
    text,
    to_workspace,
)
from invoices.payments.models import Payment

# As `REFUNDS_THAT_CAME_TO_NOTHING`; of disputes those that were won or only warned of gave nothing
# back.
_MOVED = f"""
     moved AS (
     SELECT y.workspace_id, y.currency, y.received_on AS day, y.way, 1 AS payments,
            y.amount AS received, 0 AS refunded, 0 AS disputed
       FROM payments_payment AS y
     UNION ALL
     SELECT y.workspace_id, y.currency, r."on", y.way, 0, -y.amount, 0, 0
       FROM payments_paymentreversal AS r JOIN payments_payment AS y ON y.id = r.payment_id
     UNION ALL
     SELECT i.workspace_id, i.currency, (e.occurred_at AT TIME ZONE w.timezone)::date, 'stripe', 0,
            0, CASE e.kind WHEN 'refund' THEN e.amount ELSE 0 END,
            CASE e.kind WHEN 'dispute' THEN e.amount ELSE 0 END
       FROM payments_paymententry AS e
       JOIN invoices_invoice AS i ON i.id = e.invoice_id
       JOIN billing_workspace AS w ON w.id = i.workspace_id
      WHERE e.kind = 'refund' AND e.status NOT IN ('failed', 'canceled')
         OR e.kind = 'dispute' AND e.status NOT IN ('won', 'prevented')
            AND e.status NOT LIKE 'warning%%'
     UNION ALL
     SELECT n.workspace_id, n.currency, {NOTED_ON}, 'other', 0, 0, n.to_out_of_band, 0
       FROM invoices_creditnote AS n JOIN billing_workspace AS w ON w.id = n.workspace_id
      WHERE n.status = 'issued' AND n.to_out_of_band > 0
     UNION ALL
     SELECT workspace_id, currency, "on", 'other', 0, 0, -amount, 0
       FROM payments_creditentry WHERE kind = 'paid_out')"""
_COLLECTED = f"""
WITH {_MOVED}
SELECT date_trunc('month', day::timestamp)::date AS month, moved.way AS way_code, moved.currency,
       sum(payments) AS payments, sum(received) AS received, -sum(refunded) AS refunded,
       -sum(disputed) AS disputed, sum(received) - sum(refunded) - sum(disputed) AS net
  FROM moved JOIN billing_workspace AS w ON w.id = moved.workspace_id
 WHERE day BETWEEN %(first)s AND least(%(last)s, %(known_on)s)
   AND {ASKED_FOR.format(currency="moved.currency")}
 GROUP BY 1, 2, 3 ORDER BY 3, 1, 2
"""
_PAYMENTS = f"""
SELECT y.received_on, w.name AS customer, w.id AS workspace_id, y.way AS way_code, y.reference,
       y.currency, y.amount, y.amount_to_credit AS to_credit, y.amount_allocated AS allocated,
       CASE WHEN r."on" <= %(known_on)s THEN r."on" END AS taken_back,
       (SELECT string_agg(i.number, ', ' ORDER BY i.number) FROM payments_paymentallocation AS a
          JOIN invoices_invoice AS i ON i.id = a.invoice_id WHERE a.payment_id = y.id) AS invoices
  FROM payments_payment AS y JOIN billing_workspace AS w ON w.id = y.workspace_id
  LEFT JOIN payments_paymentreversal AS r ON r.payment_id = y.id
 WHERE y.received_on BETWEEN %(first)s AND least(%(last)s, %(known_on)s)
   AND {ASKED_FOR.format(currency="y.currency")}
 ORDER BY y.currency, y.received_on, w.name, y.created_at
"""


def _named(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    ways = dict(Payment.Way.choices)
    return [{**row, "way": ways[row["way_code"]]} for row in rows]


def collection_rows(asked: ReportRequest) -> list[dict[str, Any]]:
    return _named(selected(_COLLECTED, asked))


def payment_rows(asked: ReportRequest) -> list[dict[str, Any]]:
    return _named(selected(_PAYMENTS, asked))


def _to_payments(row: Any, asked: ReportRequest) -> str:
    return COLLECTED[1].url(
        first=asked.first, last=asked.last, as_of=asked.as_of, currency=row["currency"]
    )


COLLECTED = (
    Report(
        "collections",
        "Collections by month",
        (
            MONTH,
            text("way", "Way"),
            CURRENCY,
            count("payments", "Payments"),
            money("received", "Received"),
            money("refunded", "Sent back"),
            money("disputed", "Disputed"),
            money("net", "Net"),
        ),
        collection_rows,
        Basis.RANGE,
        "Payments by their day on the bank statement (Stripe's: of the payment), whatever they "
        "pay; less refunds by their day, money of credit notes and of customers' credit that was "
        "sent back another way, and payments whose dispute is open or lost, by the day it began. "
        "Refunds that failed or were cancelled, and disputes that were won, take nothing off.",
        {"received": _to_payments, "payments": _to_payments},
    ),
    Report(
        "payments",
        "Payments",
        (
            day("received_on", "Received"),
            CUSTOMER,
            text("way", "Way"),
            text("reference", "Reference"),
            text("invoices", "Pays"),
            CURRENCY,
            money("amount", "Amount"),
            money("allocated", "To invoices"),
            money("to_credit", "To credit"),
            day("taken_back", "Taken back"),
        ),
        payment_rows,
        Basis.RANGE,
        "Each payment received in the range, up to the as-of date: by the day on the bank "
        "statement, or Stripe's. What pays no invoice is the customer's credit. One that was "
        "recorded wrongly and taken back stays in its sums, with the day: “Collections by month” "
        "takes it off on that day.",
        {"customer": to_workspace},
    ),
)
