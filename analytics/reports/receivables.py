"""What customers owe: ageing by customer, open invoices, days sales outstanding, write-offs."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

from analytics.reports.definition import (
    ASKED_FOR,
    CURRENCY,
    CUSTOMER,
    ISSUED_ON,
    LIVE_INVOICE,
    LIVE_NOTE,
    MONTH,
    Basis,
    Report,
    ReportRequest,
    count,
    day,
    money,
    selected,
    text,
    to_invoice,
    to_workspace,
)
from billing.months import last_of_month
from billing.tables import Column, Kind, Row

_DSO_DAYS = 90

# What of each invoice was open on the as-of date, from the documents that settle it, each from its
# own day on. Plan: invoices, payments and notes are hashed once.
_OPEN = f"""
     paid AS (
     SELECT a.invoice_id, sum(a.amount) AS amount
       FROM payments_paymentallocation AS a JOIN payments_payment AS y ON y.id = a.payment_id
       LEFT JOIN payments_paymentreversal AS r ON r.payment_id = y.id AND r."on" <= %(known_on)s
      WHERE y.received_on <= %(known_on)s AND r.id IS NULL GROUP BY 1),
     lost AS (
     SELECT c.invoice_id, sum(c.asked_again) AS amount
       FROM payments_chargeback AS c JOIN billing_workspace AS w ON w.id = c.workspace_id
      WHERE c.asked_again > 0 AND (c.decided_at AT TIME ZONE w.timezone)::date <= %(known_on)s
      GROUP BY 1),
     used AS (
     SELECT invoice_id, -sum(amount) AS amount FROM payments_creditentry
      WHERE kind IN ('spent', 'returned') AND "on" <= %(known_on)s GROUP BY 1),
     lowered AS (
     SELECT n.invoice_id, sum(n.to_open) AS amount
       FROM invoices_creditnote AS n JOIN billing_workspace AS w ON w.id = n.workspace_id
      WHERE {LIVE_NOTE} GROUP BY 1),
     written_off AS (
     SELECT invoice_id, min(at) AS at FROM invoices_invoiceevent
      WHERE kind = 'uncollectible' GROUP BY 1),
     issued AS (
     SELECT i.id AS invoice_id, i.number, i.currency, i.due_date, i.amount,
            {ISSUED_ON} AS issued, w.id AS workspace_id, w.name AS customer,
            (written_off.at AT TIME ZONE w.timezone)::date AS written_off,
            coalesce(paid.amount, 0) - coalesce(lost.amount, 0) AS paid,
            coalesce(used.amount, 0) AS credit_used,
            coalesce(lowered.amount, 0) AS credited,
            i.amount - coalesce(paid.amount, 0) + coalesce(lost.amount, 0)
            - coalesce(used.amount, 0) - coalesce(lowered.amount, 0) AS open
       FROM invoices_invoice AS i JOIN billing_workspace AS w ON w.id = i.workspace_id
       LEFT JOIN paid ON paid.invoice_id = i.id
       LEFT JOIN lost ON lost.invoice_id = i.id
       LEFT JOIN used ON used.invoice_id = i.id
       LEFT JOIN lowered ON lowered.invoice_id = i.id
       LEFT JOIN written_off ON written_off.invoice_id = i.id
      WHERE {LIVE_INVOICE} AND {ASKED_FOR.format(currency="i.currency")}),
     unpaid AS (
     SELECT *, %(as_of)s::date - due_date AS days FROM issued
      WHERE open > 0 AND (written_off IS NULL OR written_off > %(known_on)s))"""
_AGEING = f"""
WITH {_OPEN}
SELECT customer, workspace_id, currency, count(*) AS invoices,
       coalesce(sum(open) FILTER (WHERE days <= 0), 0) AS not_due,
       coalesce(sum(open) FILTER (WHERE days BETWEEN 1 AND 30), 0) AS to_30,
       coalesce(sum(open) FILTER (WHERE days BETWEEN 31 AND 60), 0) AS to_60,
       coalesce(sum(open) FILTER (WHERE days BETWEEN 61 AND 90), 0) AS to_90,
       coalesce(sum(open) FILTER (WHERE days > 90), 0) AS beyond,
       sum(open) AS open, min(due_date) AS oldest_due
  FROM unpaid GROUP BY customer, workspace_id, currency
 ORDER BY currency, sum(open) DESC, customer
"""
_UNPAID = f"WITH {_OPEN} SELECT * FROM unpaid ORDER BY currency, due_date, number"
_DSO = f"""
WITH {_OPEN},
     owed AS (SELECT currency, sum(open) AS open FROM unpaid GROUP BY 1),
     sold AS (SELECT currency, sum(amount) AS amount FROM issued
               WHERE issued > %(as_of)s::date - {_DSO_DAYS} GROUP BY 1)
SELECT coalesce(owed.currency, sold.currency) AS currency, coalesce(owed.open, 0) AS open,
       coalesce(sold.amount, 0) AS invoiced
  FROM owed FULL JOIN sold ON sold.currency = owed.currency
 ORDER BY 1
"""
# What was open then is what had not settled it by that day.
_WRITTEN_OFF = f"""
WITH {_OPEN}
SELECT * FROM issued WHERE written_off BETWEEN %(first)s AND least(%(last)s, %(known_on)s)
 ORDER BY currency, written_off, number
"""


def ageing_rows(asked: ReportRequest) -> list[dict[str, Any]]:
    return selected(_AGEING, asked)


def open_rows(asked: ReportRequest) -> list[dict[str, Any]]:
    return selected(_UNPAID, asked)


def written_off_rows(asked: ReportRequest) -> list[dict[str, Any]]:
    return selected(_WRITTEN_OFF, asked)


def dso_rows(asked: ReportRequest) -> list[Row]:
    """At the end of each month, of the last one not after the as-of date."""
    rows = []
    for month in asked.months:
        if month > asked.as_of:
            break
        end = min(last_of_month(month), asked.as_of)
        for row in selected(_DSO, replace(asked, as_of=end)):
            sold = row["invoiced"]
            rows.append(
                {
                    **row,
                    "month": month,
                    "at": end,
                    "dso": Decimal(row["open"]) * _DSO_DAYS / sold if sold else None,
                }
            )
    return sorted(rows, key=lambda row: (row["currency"], row["month"]))


def _to_open(row: Row, asked: ReportRequest) -> str:
    return RECEIVABLES[1].url(
        as_of=asked.as_of, workspace=row["workspace_id"], currency=row["currency"]
    )


_OPEN_HOW = (
    "Open is an invoice's total less what had settled it by the end of the as-of date: payments "
    "by their day on the bank statement, customers' credit by the day it was used, credit notes "
    "(what they took off the open amount) by their issue. Invoices issued later, void by then, or "
    "written off by then are left out."
)
RECEIVABLES = (
    Report(
        "ageing",
        "Ageing by customer",
        (
            CUSTOMER,
            CURRENCY,
            count("invoices", "Invoices"),
            money("not_due", "Not due"),
            money("to_30", "1–30 days"),
            money("to_60", "31–60"),
            money("to_90", "61–90"),
            money("beyond", "Over 90"),
            money("open", "Open"),
            day("oldest_due", "Oldest due"),
        ),
        ageing_rows,
        Basis.AS_OF,
        f"{_OPEN_HOW} The column is by the days from the due date to the as-of date; on its due "
        "date an invoice is not due yet.",
        {"customer": to_workspace, "open": _to_open, "invoices": _to_open},
    ),
    Report(
        "open-invoices",
        "Open invoices",
        (
            text("number", "Number"),
            CUSTOMER,
            day("issued", "Issued"),
            day("due_date", "Due"),
            Column("days", "Days overdue", Kind.COUNT),
            CURRENCY,
            money("amount", "Total"),
            money("paid", "Paid"),
            money("credit_used", "Credit used"),
            money("credited", "Credited"),
            money("open", "Open"),
        ),
        open_rows,
        Basis.AS_OF,
        f"{_OPEN_HOW} Below zero, days overdue are those left until it is due.",
        {"number": to_invoice, "customer": to_workspace},
    ),
    Report(
        "dso",
        "Days sales outstanding",
        (
            MONTH,
            day("at", "At the end of"),
            CURRENCY,
            money("open", "Open", is_summed=False),
            money("invoiced", f"Invoiced in {_DSO_DAYS} days", is_summed=False),
            Column("dso", "DSO", Kind.DAYS),
        ),
        dso_rows,
        Basis.MONTHS,
        f"At the end of each month (of the last one: on the as-of date): what was open, as in "
        f"“Open invoices”, divided by the totals of invoices issued in the {_DSO_DAYS} days up to "
        f"then and not void, times {_DSO_DAYS}. Empty where nothing was invoiced in those days.",
    ),
    Report(
        "written-off",
        "Written off",
        (
            text("number", "Number"),
            CUSTOMER,
            day("issued", "Issued"),
            day("written_off", "Written off"),
            CURRENCY,
            money("amount", "Total"),
            money("open", "Still open"),
        ),
        written_off_rows,
        Basis.RANGE,
        "Invoices that were written off in the range, with what is still open of them on the as-of "
        "date: a payment that comes later lowers it.",
        {"number": to_invoice, "customer": to_workspace},
    ),
)
