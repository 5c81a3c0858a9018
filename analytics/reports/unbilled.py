"""What has been used or agreed and is on no invoice yet."""

from collections import defaultdict
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet, Sum

from analytics.reports.definition import (
    ASKED_FOR,
    CURRENCY,
    CUSTOMER,
    ISSUED_ON,
    MONTH,
    VOIDED_ON,
    Basis,
    Report,
    ReportRequest,
    exact,
    selected,
    text,
    to_admin,
    to_workspace,
)
from billing.models import BillingPeriod
from billing.money import ZERO
from billing.months import local_date
from billing.queries import with_totals
from billing.tables import Row
from usage.models import UsageRollup
from usage.queries.net import added_by_meters

# Void by then, not replaced by then, and nobody has said that it stays unbilled.
_VOID = f"""
SELECT i.id AS invoice_id, i.number, i.billing_period_id, w.id AS workspace_id, w.name AS customer,
       i.currency, i.net,
       date_trunc('month', coalesce(p.period_start, i.issued_at) AT TIME ZONE w.timezone)::date
       AS month
  FROM invoices_invoice AS i
  JOIN billing_workspace AS w ON w.id = i.workspace_id
  LEFT JOIN billing_billingperiod AS p ON p.id = i.billing_period_id
  LEFT JOIN invoices_invoice AS later ON later.replaces_id = i.id
 WHERE i.voided_at IS NOT NULL AND {VOIDED_ON} <= %(known_on)s AND {ISSUED_ON} <= %(known_on)s
   AND i.unbilled_reason = '' AND (later.id IS NULL OR later.issued_at >= %(as_of_end)s)
   AND {ASKED_FOR.format(currency="i.currency")}
"""


def _open_periods(asked: ReportRequest) -> "QuerySet[BillingPeriod]":
    """Begun by the as-of date, and not closed by then."""
    end = asked.parameters["as_of_end"]
    found = BillingPeriod.objects.filter(
        Q(status=BillingPeriod.Status.CURRENT) | Q(finalized_at__gte=end), period_start__lt=end
    )
    if asked.workspace_id:
        found = found.filter(workspace=asked.workspace_id)
    if asked.currency:
        found = found.filter(workspace__currency=asked.currency)
    return found


def _used(asked: ReportRequest, periods: "QuerySet[BillingPeriod]") -> dict[UUID, Decimal]:
    """What usage up to the as-of date comes to in each period, tiers and packages applied to it."""
    rollups = UsageRollup.objects.filter(billing_period__in=periods.order_by())
    if not asked.is_now:
        rollups = rollups.filter(usage_date__lte=asked.as_of)
    sums = list(
        rollups.order_by()
        .values_list("billing_period_id", "rate_id")
        .annotate(Sum("billed_quantity"), Sum("final_cost"))
    )
    found: dict[UUID, Decimal] = defaultdict(Decimal)
    for period_id, _, _, listed in sums:
        found[period_id] += listed
    for period_id, added in added_by_meters([row for row in sums if row[1]]).items():
        found[period_id] += added
    return found


def unbilled_rows(asked: ReportRequest) -> list[Row]:
    periods = _open_periods(asked)
    used = _used(asked, periods)
    rows: list[dict[str, Any]] = []
    period: Any
    for period in with_totals(periods).order_by("workspace__name", "period_start"):
        usage = used.get(period.pk, ZERO)
        besides = period.live_total - period.live_subtotal - period.credit_brought_forward
        rows.append(
            {
                "customer": period.workspace.name,
                "workspace_id": period.workspace_id,
                "month": local_date(period.period_start, period.workspace.zone),
                "state": _state(period, asked),
                "currency": period.workspace.currency,
                "usage": usage,
                "besides": besides,
                "credit": period.credit_brought_forward,
                "total": usage + besides + period.credit_brought_forward,
                "period_id": period.pk,
            }
        )
    for void in selected(_VOID, asked):
        rows.append(
            {
                **{name: void[name] for name in ("customer", "workspace_id", "month", "currency")},
                "state": f"{void['number']} is void, to be decided",
                "usage": ZERO,
                "besides": void["net"],
                "credit": ZERO,
                "total": void["net"],
                "period_id": void["billing_period_id"],
            }
        )
    return sorted(rows, key=lambda row: (row["currency"], row["customer"], row["month"]))


def _state(period: BillingPeriod, asked: ReportRequest) -> str:
    if period.period_end >= asked.parameters["as_of_end"]:
        return "Running"
    return "Close failed" if period.close_failed_at else "Ended, not closed"


def _to_period(row: Row, asked: ReportRequest) -> str:
    return to_admin("billing_billingperiod", q=row["period_id"])


UNBILLED = (
    Report(
        "unbilled",
        "Unbilled",
        (
            CUSTOMER,
            MONTH,
            text("state", "State"),
            CURRENCY,
            exact("usage", "Usage"),
            exact("besides", "Fees, discounts, by hand"),
            exact("credit", "Credit brought forward"),
            exact("total", "Total"),
        ),
        unbilled_rows,
        Basis.AS_OF,
        "Each billing period that had begun and was not closed by the end of the as-of date: its "
        "usage up to then with tiers and packages applied to what there was, and what the whole "
        "period is charged besides (of one that was closed since: what it was charged then). "
        "Before tax, unless the workspace's prices include it. And invoices that are void without "
        "a decision on what they billed, with their net.",
        {"customer": to_workspace, "month": _to_period},
    ),
)
