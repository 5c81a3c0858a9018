"""Two months' bills side by side, read from rollups: what `analytics.bridge` makes of them."""

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from django.utils.translation import gettext as _

from analytics.bridge import BilledMonth, Driver, Effect, UsageCell, bridge, in_cents
from analytics.dimensions import cells_of_period
from analytics.queries import PeriodTotals, Spend, days_of, spend_of_periods, totals_of
from billing import months
from billing.formats import money
from billing.models import BillingPeriod
from billing.money import ZERO, from_minor, to_charge_minor
from billing.prepared import page_cursor
from billing.replica import reading_connection
from invoices.models import Invoice
from invoices.queries import invoice_of

# A sentence names so many steps.
_NAMED = 3


@dataclass(frozen=True)
class SideBill:
    """One of the two months, up to a day of it; `shown` is its total as it is on the page."""

    period: BillingPeriod
    first: dt.date
    last: dt.date
    bill: BilledMonth
    shown: Decimal
    invoice: Invoice | None
    calls: int

    @property
    def is_whole(self) -> bool:
        return self.last == days_of(self.period)[-1]


@dataclass(frozen=True)
class Comparison:
    """`changes` with their `amounts` in cents, which add up to `difference`."""

    before: SideBill
    now: SideBill
    changes: Sequence[Effect]
    amounts: Sequence[Decimal]
    with_tax: bool

    @property
    def difference(self) -> Decimal:
        return self.now.shown - self.before.shown

    @property
    def currency(self) -> str:
        return self.now.period.workspace.currency

    def largest(self) -> list[tuple[Driver, Decimal]]:
        named = [
            (change.step, amount)
            for change, amount in zip(self.changes, self.amounts, strict=True)
            if amount
        ]
        return sorted(named, key=lambda each: -abs(each[1]))[:_NAMED]


def compare_bills(before: BillingPeriod, now: BillingPeriod, *, at: dt.datetime) -> Comparison:
    """Both come with their workspaces, what is running with its totals
    (`billing.queries.with_totals`).

    A month that is running is compared with the same days of the other, before tax. Four queries,
    those of invoices, and of meters.
    """
    spends = spend_of_periods([before, now])
    today = months.local_date(at, now.workspace.zone)
    days, days_before = days_of(now), days_of(before)
    last, last_before = days[-1], days_before[-1]
    if now.is_current and days[0] <= today <= last:
        last = today
        last_before = min(last_before, days_before[0] + (today - days[0]))
    with_tax = not (now.is_current or before.is_current)
    calls = _calls(now.workspace_id, (days_before[0], last_before), (days[0], last))
    sides = [
        _side(before, spends[before.pk], days_before[0], last_before, calls[0], with_tax),
        _side(now, spends[now.pk], days[0], last, calls[1], with_tax),
    ]
    changes = bridge(sides[0].bill, sides[1].bill)
    difference = sides[1].shown - sides[0].shown
    amounts = in_cents(changes, difference, now.workspace.currency)
    return Comparison(sides[0], sides[1], changes, amounts, with_tax)


def _side(
    period: BillingPeriod,
    spend: Spend,
    first: dt.date,
    last: dt.date,
    calls: int,
    with_tax: bool,
) -> SideBill:
    totals = totals_of(period, spend)
    if last != days_of(period)[-1]:
        spend = spend.until(last)
    invoice = None if period.is_current else invoice_of(period)
    if invoice is not None and invoice.status == Invoice.Status.VOID:
        invoice = None
    other = _other_lines(spend, totals, first)
    if with_tax and invoice is not None and not invoice.prices_include_tax:
        other[Driver.TAX] = invoice.tax
    bill = BilledMonth(_cells(period, spend, first, last), other)
    currency = period.workspace.currency
    if with_tax and invoice is not None:
        shown = invoice.amount
    else:
        shown = from_minor(to_charge_minor(bill.total, currency), currency)
    return SideBill(period, first, last, bill, shown, invoice, calls)


def _other_lines(spend: Spend, totals: PeriodTotals, first: dt.date) -> dict[Driver, Decimal]:
    return {
        # Less what credit notes gave back of it for its own month.
        Driver.LATE: sum(
            (row.cost for row in spend.rows if row.day < first), totals.reversals_credited
        ),
        Driver.ALLOWANCE: spend.adjustment,
        Driver.FEE: totals.fee,
        Driver.ADD_ONS: totals.add_ons,
        Driver.DISCOUNTS: totals.discounts,
        Driver.COMMITMENT: totals.shortfall,
        Driver.MANUAL: totals.manual,
        Driver.CREDIT: totals.credit,
    }


def _cells(period: BillingPeriod, spend: Spend, first: dt.date, last: dt.date) -> list[UsageCell]:
    """Usage of the month's own days, by agent and model where records name these; the rest of each
    type and provider as one cell. One query."""
    rest: dict[tuple[str, str], list[Decimal]] = defaultdict(lambda: [ZERO, ZERO, ZERO])
    for row in spend.rows:
        if first <= row.day <= last:
            sums = rest[row.resource_type, row.provider]
            sums[0] += row.records
            sums[1] += row.quantity
            sums[2] += row.cost
    cells = []
    until = last + dt.timedelta(days=1)
    for cell in cells_of_period(period, spend, first, until):
        cells.append(cell)
        sums = rest[cell.resource_type, cell.provider]
        sums[0] -= cell.records
        sums[1] -= cell.quantity
        sums[2] -= cell.amount
    for (resource_type, provider), (records, quantity, amount) in rest.items():
        if records or quantity or amount:
            cells.append(
                UsageCell(None, resource_type, provider, None, int(records), quantity, amount)
            )
    return cells


_CALLS = """
SELECT (SELECT coalesce(sum(calls), 0)::bigint FROM usage_callrollup
         WHERE workspace_id = %s AND local_date BETWEEN span.first AND span.last)
  FROM unnest(%s::date[], %s::date[]) WITH ORDINALITY AS span (first, last, place)
 ORDER BY place
"""


def _calls(workspace_id: UUID, *spans: tuple[dt.date, dt.date]) -> list[int]:
    """How many calls started in each span of days. One query."""
    firsts, lasts = ([span[end] for span in spans] for end in (0, 1))
    with page_cursor(reading_connection()) as cursor:
        cursor.execute(_CALLS, [workspace_id, firsts, lasts])
        return [row[0] for row in cursor]


def labels() -> dict[Driver, str]:
    return {
        Driver.NEW_AGENTS: _("New agents"),
        Driver.GONE_AGENTS: _("Agents no longer used"),
        Driver.VOLUME: _("Number of calls and uses"),
        Driver.LENGTH: _("Length of calls"),
        Driver.PROVIDERS: _("Choice of providers"),
        Driver.MODELS: _("Choice of models"),
        Driver.PRICES: _("Prices"),
        Driver.LATE: _("Late usage of earlier months"),
        Driver.ALLOWANCE: _("Tiers and included units"),
        Driver.FEE: _("Subscription"),
        Driver.ADD_ONS: _("Add-ons"),
        Driver.DISCOUNTS: _("Discounts"),
        Driver.COMMITMENT: _("Minimum not reached"),
        Driver.MANUAL: _("Other charges and credits"),
        Driver.CREDIT: _("Credit brought forward"),
        Driver.TAX: _("Tax"),
    }


def signed(amount: Decimal, currency: str) -> str:
    return f"+{money(amount, currency)}" if amount > 0 else money(amount, currency)


def sentence(comparison: Comparison) -> str:
    """The difference and its largest reasons; "" where the other month has nothing to compare."""
    if not comparison.before.shown:
        return ""
    names, currency = labels(), comparison.currency
    other = comparison.before.period.label
    if not comparison.before.is_whole:
        other = _("the same days of %(month)s") % {"month": other}
    difference = comparison.difference
    if not difference:
        return _("That is as much as %(other)s.") % {"other": other}
    reasons = ", ".join(
        f"{names[step]} {signed(amount, currency)}" for step, amount in comparison.largest()
    )
    said = {"amount": money(abs(difference), currency), "other": other, "reasons": reasons}
    if difference > 0:
        return _("That is %(amount)s more than %(other)s: %(reasons)s.") % said
    return _("That is %(amount)s less than %(other)s: %(reasons)s.") % said
