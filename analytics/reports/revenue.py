"""Revenue and usage by customer and month, the invoices behind them, top and falling customers."""

from collections.abc import Iterator
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
    NOTED_ON,
    Basis,
    Report,
    ReportRequest,
    count,
    day,
    exact,
    money,
    selected,
    share,
    text,
    to_admin,
    to_invoice,
    to_workspace,
)
from billing.money import ZERO
from billing.months import last_of_month, months_before
from billing.tables import Column, Kind, Row
from usage.resources import resource

# The month that an invoice bills, by its first day: its period's, else that of its issue.
_MONTH = f"""date_trunc('month', CASE WHEN p.id IS NULL THEN {ISSUED_ON}::timestamp
              ELSE p.period_start AT TIME ZONE w.timezone END)::date"""
# Plan: one scan of the invoices and of their lines, hashed. Invoices are a row a customer and
# month, lines some ten of each.
_REVENUE = f"""
WITH billed AS (
     SELECT i.workspace_id, i.currency, {_MONTH} AS month, item.kind, item.net, 0 AS credited
       FROM invoices_invoice AS i
       JOIN billing_workspace AS w ON w.id = i.workspace_id
       LEFT JOIN billing_billingperiod AS p ON p.id = i.billing_period_id
       JOIN invoices_invoiceitem AS item ON item.invoice_id = i.id
      WHERE {LIVE_INVOICE} AND {ASKED_FOR.format(currency="i.currency")}
     UNION ALL
     SELECT n.workspace_id, n.currency, date_trunc('month', {NOTED_ON}::timestamp)::date, '', 0,
            n.net
       FROM invoices_creditnote AS n
       JOIN billing_workspace AS w ON w.id = n.workspace_id
      WHERE {LIVE_NOTE}
        AND {ASKED_FOR.format(currency="n.currency")})
SELECT w.name AS customer, w.id AS workspace_id, billed.currency, billed.month,
       coalesce(sum(net) FILTER (WHERE kind IN ('subscription', 'add_on')), 0) AS fees,
       coalesce(sum(net) FILTER (WHERE kind = 'usage'), 0) AS usage,
       coalesce(sum(net) FILTER (WHERE kind = 'late_usage'), 0) AS late_usage,
       coalesce(sum(net) FILTER (WHERE kind = 'commitment'), 0) AS commitment,
       coalesce(sum(net) FILTER (WHERE kind = 'manual'), 0) AS by_hand,
       coalesce(sum(net) FILTER (WHERE kind IN ('discount', 'credit')), 0) AS discounts,
       sum(net) AS invoiced, -sum(credited) AS credit_notes, sum(net) - sum(credited) AS revenue
  FROM billed JOIN billing_workspace AS w ON w.id = billed.workspace_id
 WHERE billed.month BETWEEN %(first_month)s AND %(last_month)s
 GROUP BY w.id, billed.currency, billed.month
 ORDER BY billed.currency, w.name, w.id, billed.month
"""
REVENUE_COLUMNS = (
    CUSTOMER,
    MONTH,
    CURRENCY,
    money("fees", "Fees"),
    money("usage", "Usage"),
    money("late_usage", "Late usage"),
    money("commitment", "Minimum, not used"),
    money("by_hand", "By hand"),
    money("discounts", "Discounts, credit"),
    money("invoiced", "Invoiced"),
    money("credit_notes", "Credit notes"),
    money("revenue", "Revenue"),
)


def revenue_rows(asked: ReportRequest) -> list[dict[str, Any]]:
    return selected(_REVENUE, asked)


_INVOICES = f"""
SELECT i.number, i.id AS invoice_id, w.name AS customer, w.id AS workspace_id, i.currency,
       {_MONTH} AS month, {ISSUED_ON} AS issued, i.due_date AS due, i.status, i.net, i.tax, i.amount
  FROM invoices_invoice AS i
  JOIN billing_workspace AS w ON w.id = i.workspace_id
  LEFT JOIN billing_billingperiod AS p ON p.id = i.billing_period_id
 WHERE {LIVE_INVOICE} AND {ASKED_FOR.format(currency="i.currency")}
   AND {_MONTH} BETWEEN %(first_month)s AND %(last_month)s
 ORDER BY i.currency, i.number
"""


def invoice_rows(asked: ReportRequest) -> list[dict[str, Any]]:
    return selected(_INVOICES, asked)


# Plan: the rollups' index by workspace and day where one is asked for, else a scan of them.
_USAGE = f"""
SELECT w.name AS customer, w.id AS workspace_id, w.currency,
       date_trunc('month', u.usage_date::timestamp)::date AS month, u.resource_type,
       sum(u.records) AS records, sum(u.quantity) AS quantity, sum(u.total_cost) AS cost,
       sum(u.final_cost) AS price
  FROM usage_usagerollup AS u
  JOIN billing_workspace AS w ON w.id = u.workspace_id
 WHERE u.usage_date BETWEEN %(first)s AND least(%(last)s, %(known_on)s)
   AND {ASKED_FOR.format(currency="w.currency")}
 GROUP BY w.id, 4, u.resource_type
 ORDER BY w.currency, w.name, w.id, 4, u.resource_type
"""


def usage_rows(asked: ReportRequest) -> Iterator[Row]:
    for row in selected(_USAGE, asked):
        kind = resource(row["resource_type"])
        yield {**row, "resource": kind.label, "unit": kind.unit}


def _compared(asked: ReportRequest) -> list[Row]:
    """Revenue of the months asked for beside as many before, by customer and currency."""
    before = months_before(asked.first_month, len(asked.months))
    both = replace(asked, first=before)
    found: dict[Any, dict[str, Any]] = {}
    for row in revenue_rows(both):
        key = row["workspace_id"], row["currency"]
        sums = found.setdefault(
            key,
            {
                "customer": row["customer"],
                "workspace_id": row["workspace_id"],
                "currency": row["currency"],
                "revenue": ZERO,
                "before": ZERO,
            },
        )
        sums["revenue" if row["month"] >= asked.first_month else "before"] += row["revenue"]
    for sums in found.values():
        sums["change"] = sums["revenue"] - sums["before"]
        sums["changed"] = sums["change"] / sums["before"] if sums["before"] > 0 else None
    return list(found.values())


def _place(row: Row, value: Decimal) -> tuple[str, Decimal, str]:
    return row["currency"], value, row["customer"]


def top_rows(asked: ReportRequest) -> list[Row]:
    rows = [row for row in _compared(asked) if row["revenue"]]
    return sorted(rows, key=lambda row: _place(row, -row["revenue"]))


def falling_rows(asked: ReportRequest) -> list[Row]:
    rows = [row for row in _compared(asked) if row["change"] < 0]
    return sorted(rows, key=lambda row: _place(row, row["change"]))


def _to_invoices(row: Row, asked: ReportRequest) -> str:
    month = row["month"]
    return INVOICES.url(
        first=month,
        last=last_of_month(month),
        as_of=asked.as_of,
        workspace=row["workspace_id"],
    )


def _to_months(row: Row, asked: ReportRequest) -> str:
    return REVENUE[0].url(
        first=asked.first, last=asked.last, as_of=asked.as_of, workspace=row["workspace_id"]
    )


def _to_records(row: Row, asked: ReportRequest) -> str:
    month = row["month"]
    return to_admin(
        "usage_usagerecord",
        workspace__id__exact=row["workspace_id"],
        resource_type=row["resource_type"],
        usage_date_from=max(month, asked.first),
        usage_date_to=min(last_of_month(month), asked.last, asked.as_of),
    )


_OF_CUSTOMERS = (
    CUSTOMER,
    CURRENCY,
    money("revenue", "Revenue"),
    money("before", "Before"),
    money("change", "Change"),
    share("changed", "Changed by"),
)
_COMPARED = (
    "Revenue as in “Revenue by customer and month”, of the months asked for and of as many months "
    "right before them. The change is the one less the other; its share is of the earlier revenue, "
    "and empty where there was none."
)
INVOICES = Report(
    "invoices",
    "Invoices",
    (
        text("number", "Number"),
        CUSTOMER,
        MONTH,
        day("issued", "Issued"),
        day("due", "Due"),
        text("status", "Status today"),
        CURRENCY,
        money("net", "Net"),
        money("tax", "Tax"),
        money("amount", "Total"),
    ),
    invoice_rows,
    Basis.MONTHS,
    "Each invoice that bills one of the months and was issued by the as-of date, unless it was "
    "void by then. The month is that of its billing period; of one-off and correcting invoices, "
    "which have none, the month they were issued in.",
    {"number": to_invoice, "customer": to_workspace},
)
REVENUE = (
    Report(
        "revenue",
        "Revenue by customer and month",
        REVENUE_COLUMNS,
        revenue_rows,
        Basis.MONTHS,
        "The net (before tax) of invoices' lines, by kind of line, in the month that the invoice "
        "bills (for one-off and correcting invoices, the month of issue), less the net of credit "
        "notes in the month they were issued. Counted are documents issued by the as-of date; an "
        "invoice that was void by then is left out, with its replacement in its place. Invoiced is "
        "the sum of the lines, and the net of the invoices; revenue is invoiced less credit notes. "
        "What runs and is not invoiced is in “Unbilled”.",
        {"customer": to_workspace, "month": _to_invoices, "revenue": _to_invoices},
    ),
    Report(
        "usage",
        "Usage by customer and month",
        (
            CUSTOMER,
            MONTH,
            text("resource", "Resource"),
            text("unit", "Unit"),
            count("records", "Records"),
            Column("quantity", "Quantity", Kind.QUANTITY),
            CURRENCY,
            exact("price", "At list price"),
            exact("cost", "Providers' cost"),
        ),
        usage_rows,
        Basis.RANGE,
        "Sums of usage records by the day they occurred on the workspace's calendar, corrections "
        "included, whatever invoice bills them. The price is the records' own, before what tiers, "
        "packages and included units of a whole period take off. Read from the rollups by day.",
        {"customer": to_workspace, "records": _to_records},
    ),
    INVOICES,
    Report(
        "top-customers",
        "Top customers",
        _OF_CUSTOMERS,
        top_rows,
        Basis.MONTHS,
        f"{_COMPARED} In each currency the largest revenue first.",
        {"customer": to_workspace, "revenue": _to_months},
    ),
    Report(
        "falling-customers",
        "Falling customers",
        _OF_CUSTOMERS,
        falling_rows,
        Basis.MONTHS,
        f"{_COMPARED} Only those whose revenue is lower than before, in each currency the largest "
        "loss first. While the last month is not invoiced yet it has no revenue: ask for whole "
        "months.",
        {"customer": to_workspace, "revenue": _to_months},
    ),
)
