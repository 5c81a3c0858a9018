"""Monthly recurring revenue from fees: what it was, and what made it change."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from uuid import UUID

from analytics.reports.definition import (
    ASKED_FOR,
    CURRENCY,
    CUSTOMER,
    MONTH,
    Basis,
    Report,
    ReportRequest,
    count,
    exact,
    selected,
    text,
    to_workspace,
)
from billing.models import BillingPeriod
from billing.money import EXACT, ZERO
from billing.months import last_of_month, months_before
from billing.queries import with_totals
from billing.rating.charges import ChargeKind
from billing.tables import Row

_YEAR = Decimal(12)
# A fee of more days than a month has is a year's.
_LONGEST_MONTH = 31
# Plan: the charges of closed periods of the year before the first month and later, a few a period.
_FROZEN = f"""
SELECT w.id AS workspace_id, w.name AS customer, w.currency, c.first_day, c.last_day, c.of_days,
       c.quantity * c.unit_price AS price
  FROM billing_periodcharge AS c
  JOIN billing_billingperiod AS p ON p.id = c.period_id
  JOIN billing_workspace AS w ON w.id = p.workspace_id
 WHERE c.kind IN ('subscription', 'add_on') AND c.last_day >= %(since)s
   AND c.first_day <= %(last_end)s AND {ASKED_FOR.format(currency="w.currency")}
"""


def _running(asked: ReportRequest) -> Iterator[dict[str, Any]]:
    """Fees of periods that are still open, as they stand."""
    periods = BillingPeriod.objects.filter(
        status=BillingPeriod.Status.CURRENT,
        period_start__lte=dt.datetime.combine(
            last_of_month(asked.last_month), dt.time(), tzinfo=dt.UTC
        ),
    )
    if asked.workspace_id:
        periods = periods.filter(workspace=asked.workspace_id)
    if asked.currency:
        periods = periods.filter(workspace__currency=asked.currency)
    period: Any
    for period in with_totals(periods).order_by():
        for charge in period.live_charges:
            if charge.kind in (ChargeKind.SUBSCRIPTION, ChargeKind.ADD_ON):
                yield {
                    "workspace_id": period.workspace_id,
                    "customer": period.workspace.name,
                    "currency": period.workspace.currency,
                    "first_day": charge.first_day,
                    "last_day": charge.last_day,
                    "of_days": charge.of_days,
                    "price": charge.quantity * charge.unit_price,
                }


def _by_customer(asked: ReportRequest) -> Iterator[tuple[dt.date, Any, Decimal, Decimal]]:
    """Month, whose (row of names), what recurred at the end of the month before, and of it."""
    before = months_before(asked.first_month, 1)
    all_months = [before, *asked.months]
    fees: dict[tuple[UUID, str], dict[dt.date, Decimal]] = defaultdict(
        lambda: dict.fromkeys(all_months, ZERO)
    )
    names: dict[tuple[UUID, str], dict[str, Any]] = {}
    frozen = selected(
        _FROZEN, asked, since=last_of_month(before), last_end=last_of_month(asked.last_month)
    )
    for row in (*frozen, *_running(asked)):
        key = row["workspace_id"], row["currency"]
        names[key] = row
        monthly = row["price"]
        if row["of_days"] > _LONGEST_MONTH:
            monthly = EXACT.divide(monthly, _YEAR)
        for month in all_months:
            if row["first_day"] <= last_of_month(month) <= row["last_day"]:
                fees[key][month] += monthly
    for month in asked.months:
        earlier = months_before(month, 1)
        for key, of_months in fees.items():
            yield month, names[key], of_months[earlier], of_months[month]


_MOVES = ("new", "expansion", "contraction", "churn")


def _move(before: Decimal, after: Decimal) -> str:
    if not before:
        return "new"
    if not after:
        return "churn"
    return "expansion" if after > before else "contraction"


def change_rows(asked: ReportRequest) -> list[Row]:
    rows = []
    for month, name, before, after in _by_customer(asked):
        if before == after:
            continue
        rows.append(
            {
                "month": month,
                "customer": name["customer"],
                "workspace_id": name["workspace_id"],
                "kind": _move(before, after).capitalize(),
                "currency": name["currency"],
                "before": before,
                "after": after,
                "change": after - before,
            }
        )
    return sorted(rows, key=lambda row: (row["currency"], row["month"], row["customer"]))


def month_rows(asked: ReportRequest) -> list[Row]:
    found: dict[tuple[str, dt.date], dict[str, Any]] = {}
    for month, name, before, after in _by_customer(asked):
        currency = name["currency"]
        row = found.setdefault(
            (currency, month),
            {
                "month": month,
                "currency": currency,
                "customers": 0,
                "opening": ZERO,
                **dict.fromkeys(_MOVES, ZERO),
                "closing": ZERO,
            },
        )
        row["opening"] += before
        row["closing"] += after
        row["customers"] += after > 0
        if before != after:
            row[_move(before, after)] += after - before
    return [found[key] for key in sorted(found)]


def _to_changes(row: Row, asked: ReportRequest) -> str:
    return RECURRING[1].url(
        first=row["month"], last=last_of_month(row["month"]), currency=row["currency"]
    )


_HOW = (
    "A customer's recurring revenue of a month is the monthly price of the subscription and "
    "add-ons that hold on the month's last day, whole where only some days were charged; a fee by "
    "the year counts a twelfth in each month of its year. Discounts, minimums and usage are not in "
    "it. Closed months are read from what was charged, the running one from what would be charged "
    "now. "
)
RECURRING = (
    Report(
        "recurring",
        "Recurring revenue (MRR)",
        (
            MONTH,
            CURRENCY,
            count("customers", "Customers", is_summed=False),
            exact("opening", "Before", is_summed=False),
            exact("new", "New"),
            exact("expansion", "Expansion"),
            exact("contraction", "Contraction"),
            exact("churn", "Churn"),
            exact("closing", "MRR", is_summed=False),
        ),
        month_rows,
        Basis.MONTHS,
        f"{_HOW}New is all of a customer who had none at the end of the month before, churn all of "
        "one who has none now; expansion and contraction are the differences of the others. Before "
        "and the four changes add up to the MRR.",
        dict.fromkeys(_MOVES, _to_changes),
    ),
    Report(
        "recurring-changes",
        "Recurring revenue, changes by customer",
        (
            MONTH,
            CUSTOMER,
            text("kind", "Change"),
            CURRENCY,
            exact("before", "Before"),
            exact("after", "After"),
            exact("change", "Difference"),
        ),
        change_rows,
        Basis.MONTHS,
        f"{_HOW}A row for each customer and month in which it differs from the month before.",
        {"customer": to_workspace},
    ),
)
