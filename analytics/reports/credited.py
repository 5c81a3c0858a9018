"""Credit notes, and the credit that customers have."""

from typing import Any

from analytics.reports.definition import (
    ASKED_FOR,
    CURRENCY,
    CUSTOMER,
    LIVE_NOTE,
    NOTED_ON,
    Basis,
    Report,
    ReportRequest,
    day,
    money,
    selected,
    text,
    to_invoice,
    to_note,
    to_workspace,
)
from invoices.models import CreditNote

_NOTES = f"""
SELECT n.number, n.id AS note_id, {NOTED_ON} AS issued, w.name AS customer, w.id AS workspace_id,
       i.number AS invoice, i.id AS invoice_id, n.reason AS reason_code, n.currency, n.net, n.tax,
       n.total, n.to_open, n.to_refund, n.to_credit, n.to_out_of_band
  FROM invoices_creditnote AS n
  JOIN billing_workspace AS w ON w.id = n.workspace_id
  JOIN invoices_invoice AS i ON i.id = n.invoice_id
 WHERE {LIVE_NOTE} AND {NOTED_ON} BETWEEN %(first)s AND %(last)s
   AND {ASKED_FOR.format(currency="n.currency")}
 ORDER BY n.currency, n.number
"""
_BALANCES = f"""
SELECT w.name AS customer, w.id AS workspace_id, c.currency,
       coalesce(sum(c.amount) FILTER (WHERE c.kind IN ('overpayment', 'taken_back')), 0)
       AS overpaid,
       coalesce(sum(c.amount) FILTER (WHERE c.kind IN ('credit_note', 'note_void')), 0)
       AS from_notes,
       coalesce(sum(c.amount) FILTER (WHERE c.kind IN ('spent', 'returned')), 0) AS used,
       coalesce(sum(c.amount) FILTER (WHERE c.kind = 'paid_out'), 0) AS paid_out,
       sum(c.amount) AS balance
  FROM payments_creditentry AS c JOIN billing_workspace AS w ON w.id = c.workspace_id
 WHERE c."on" <= %(known_on)s AND {ASKED_FOR.format(currency="c.currency")}
 GROUP BY w.id, c.currency
 ORDER BY c.currency, sum(c.amount) DESC, w.name
"""


def note_rows(asked: ReportRequest) -> list[dict[str, Any]]:
    reasons = dict(CreditNote.Reason.choices)
    return [
        {**row, "reason": reasons.get(row["reason_code"], row["reason_code"])}
        for row in selected(_NOTES, asked)
    ]


def balance_rows(asked: ReportRequest) -> list[dict[str, Any]]:
    return selected(_BALANCES, asked)


CREDITED = (
    Report(
        "credit-notes",
        "Credit notes",
        (
            text("number", "Number"),
            day("issued", "Issued"),
            CUSTOMER,
            text("invoice", "Invoice"),
            text("reason", "Reason"),
            CURRENCY,
            money("net", "Net"),
            money("tax", "Tax"),
            money("total", "Total"),
            money("to_open", "Off what was open"),
            money("to_refund", "Refunded"),
            money("to_credit", "To credit"),
            money("to_out_of_band", "Sent back otherwise"),
        ),
        note_rows,
        Basis.RANGE,
        "Each credit note issued in the range and by the as-of date, unless it was void by then. "
        "The last four columns say where its total went, and add up to it.",
        {"number": to_note, "invoice": to_invoice, "customer": to_workspace},
    ),
    Report(
        "customer-credit",
        "Customers' credit",
        (
            CUSTOMER,
            CURRENCY,
            money("overpaid", "Overpaid"),
            money("from_notes", "From credit notes"),
            money("used", "Used"),
            money("paid_out", "Paid out"),
            money("balance", "Balance"),
        ),
        balance_rows,
        Basis.AS_OF,
        "All movements of each customer's credit up to the as-of date, by their own day: "
        "overpayments (less those of payments that were taken back) and credit notes (less void "
        "ones) raise it, what pays invoices (less what came back from void ones) and what is paid "
        "out lowers it. The balance is their sum.",
        {"customer": to_workspace},
    ),
)
