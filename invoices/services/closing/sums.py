"""What closed periods come to: usage from rollups, fee, credit, and the proof that nothing lacks.

A fixed number of statements for any number of periods, and one for each invoice that gives late
reversals back. These alone are read as records: what a period costs to close does not depend on how
many it holds.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from typing import NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import Q, Sum

from billing import months
from billing.charges import TermsReader
from billing.errors import BillingError
from billing.models import BillingPeriod
from billing.money import EXACT, ZERO, from_minor, to_charge_minor
from billing.rating.bills import charged, period_charges
from billing.rating.charges import Charge, ChargeKind, PeriodTerms
from billing.rating.fees import NoPrice
from billing.rating.taxes import Undecided
from billing.taxes import TaxReader
from invoices.services.closing.lines import InvoiceLine, UsageSum, amounts_minor, build_lines
from invoices.services.closing.reversals import OwedNote, given_back, owed_notes, taken_over
from invoices.services.sales_taxes import Calculations, NotCalculated, TaxQuestion
from invoices.services.taxing import DocumentTax, document_tax
from usage.queries.meters import Meter
from usage.queries.net import live_meters


class CannotClose(BillingError):
    """A period that cannot be closed as things are; its message says what to mend."""

    status = 409
    code = "cannot_close"
    # What has to be answered first, where a tax that is calculated elsewhere is what is missing.
    asked: TaxQuestion | None = None


class Counted(NamedTuple):
    """What a period's counters say when they are shut."""

    records: int
    final_cost: Decimal


@dataclass(slots=True)
class Closing:
    """A period on its way: what it is billed. All is exact but `amounts` and `tax`."""

    period: BillingPeriod
    charges: list[Charge]
    fee: Decimal
    add_ons: Decimal
    discounts: Decimal
    shortfall: Decimal
    manual: Decimal
    credit: Decimal
    subtotal: Decimal
    adjustment: Decimal
    # What credit notes give back in place of this period, and the notes that its close makes.
    reversals: Decimal
    notes: Sequence[OwedNote]
    total: Decimal
    # Each line's share of the rounded total.
    amounts: list[Decimal]
    lines: list[InvoiceLine]
    meters: Sequence[Meter]
    # None where nothing is billed, or the issuer is registered for tax nowhere.
    tax: DocumentTax | None = None
    # In a preview: what the tax depends on and has no answer yet. `tax` is by the last rates then,
    # or None without any.
    asked: TaxQuestion | None = None

    @property
    def tax_status(self) -> str:
        """Whether its tax is what the invoice would say: `known`; `estimated`, by the rates of an
        earlier one; or `unknown`, with none to go by: it is left out."""
        if self.asked is None:
            return "known"
        return "estimated" if self.tax else "unknown"

    @property
    def is_billed(self) -> bool:
        return to_charge_minor(self.total, self.period.workspace.currency) > 0


# Usage of another month than the period's own is late. `first` and `until` are local dates.
#
# Plan: for each period one range scan of the rollups' unique index, then one hash aggregate.
_SUMS = """
SELECT rollup.billing_period_id, rollup.resource_type,
       CASE WHEN rollup.usage_date >= bounds.first AND rollup.usage_date < bounds.until THEN NULL
            ELSE date_trunc('month', rollup.usage_date)::date END AS late_month,
       sum(rollup.records)::bigint, sum(rollup.quantity), sum(rollup.final_cost)
  FROM unnest(%s::uuid[], %s::date[], %s::date[]) AS bounds (period_id, first, until)
  JOIN usage_usagerollup AS rollup ON rollup.billing_period_id = bounds.period_id
 GROUP BY 1, 2, 3
"""


def usage_sums(periods: Sequence[BillingPeriod]) -> dict[UUID, list[UsageSum]]:
    """Sums of each period's rollups by resource type and, for late usage, its month."""
    sums: dict[UUID, list[UsageSum]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(
            _SUMS,
            [
                [period.pk for period in periods],
                [_local_date(period, period.period_start) for period in periods],
                [_local_date(period, period.period_end) for period in periods],
            ],
        )
        for period_id, *values in cursor:
            sums[period_id].append(UsageSum(*values))
    return sums


def sum_up(
    periods: Sequence[BillingPeriod],
    counted: Mapping[UUID, Counted],
    now: dt.datetime,
    *,
    is_preview: bool = False,
) -> list[Closing]:
    """What each period is billed; `periods` in the order in which a workspace's months follow.
    A preview does not wait for a tax that has to be asked for.

    Raises `CannotClose` for a period whose rollups and counters disagree, one of whose tiers has
    no price in the workspace's currency, or whose tax cannot be decided on.
    """
    usage = usage_sums(periods)
    # No record can enter any more: rollups say the same now as a moment ago.
    meters = live_meters(periods)
    terms = TermsReader((period.workspace_id for period in periods), strict=True)
    workspaces = [period.workspace for period in periods]
    taxes, calculations = TaxReader(workspaces), Calculations(workspaces)
    credits = _outstanding_credits(periods)
    notes = owed_notes([period for period in periods if _has_late(usage.get(period.pk, []))])
    earlier = given_back(periods)
    closings = []
    # Sums may be longer than the 28 digits that arithmetic keeps by default.
    with localcontext(EXACT):
        for period in periods:
            workspace_id = period.workspace_id
            closing = _closing(
                period,
                usage.get(period.pk, []),
                meters.get(period.pk, []),
                counted[period.pk] if period.pk in counted else Counted(0, ZERO),
                terms.of(period),
                notes=notes.get(period.pk, []),
                earlier=earlier.get(period.pk, {}),
                # One credit is brought forward once: by the workspace's first period to close.
                credit=credits.pop(workspace_id, ZERO),
            )
            if closing.total < 0:
                credits[workspace_id] = closing.total
            if closing.is_billed:
                _take_tax(closing, taxes, calculations, now, is_preview=is_preview)
            closings.append(closing)
    return closings


def _closing(
    period: BillingPeriod,
    usage: Sequence[UsageSum],
    meters: Sequence[Meter],
    counted: Counted,
    terms: PeriodTerms,
    *,
    notes: Sequence[OwedNote],
    earlier: Mapping[dt.date, Decimal],
    credit: Decimal,
) -> Closing:
    at_list = sum((each.final_cost for each in usage), ZERO)
    records = sum(each.records for each in usage)
    if (records, at_list) != counted:
        raise CannotClose(
            f"Period {period.pk} counted {counted.records} records for {counted.final_cost:f},"
            f" its rollups hold {records} for {at_list:f}: run check_ledger and rebuild_rollups.",
            code="ledger_differs",
        )
    adjustment = sum((meter.adjustment for meter in meters), ZERO)
    subtotal = at_list + adjustment
    by_month = taken_over(notes, earlier)
    reversals = sum(by_month.values(), ZERO)
    currency = period.workspace.currency
    try:
        charges = period_charges(terms, subtotal + reversals)
    except NoPrice as error:
        raise CannotClose(
            f"Tier {error.tier!r} of workspace {period.workspace_id} has no price in {currency}.",
            code="no_price_in_currency",
        ) from None
    sums = charged(charges)
    total = sum(sums.values(), subtotal + credit + reversals)
    lines = build_lines(
        charges=charges,
        usage=with_meters(usage, meters),
        credit=credit,
        given_back=by_month,
    )
    return Closing(
        period,
        charges,
        sums[ChargeKind.SUBSCRIPTION],
        sums[ChargeKind.ADD_ON],
        sums[ChargeKind.DISCOUNT],
        sums[ChargeKind.COMMITMENT],
        sums[ChargeKind.MANUAL],
        credit,
        subtotal,
        adjustment,
        reversals,
        notes,
        total,
        [from_minor(minor, currency) for minor in amounts_minor(lines, currency)],
        lines,
        meters,
    )


def _has_late(usage: Iterable[UsageSum]) -> bool:
    return any(each.late_month is not None for each in usage)


def _take_tax(
    closing: Closing,
    taxes: TaxReader,
    calculations: Calculations,
    now: dt.datetime,
    *,
    is_preview: bool,
) -> None:
    """By the rates of the period's last day; one that is closed early ends with its close."""
    period = closing.period
    last = min(period.period_end - dt.timedelta(microseconds=1), now)
    try:
        closing.tax = document_tax(
            taxes,
            calculations,
            period.workspace,
            period.issuing_entity,
            [
                (amount, line.tax_class)
                for line, amount in zip(closing.lines, closing.amounts, strict=True)
            ],
            prices_include_tax=period.workspace.billing_settings.prices_include_tax,
            day=_local_date(period, last),
            # A month that is not open yet has no row.
            period_id=None if period._state.adding else period.pk,
            is_preview=is_preview,
        )
    except NotCalculated as error:
        if not is_preview:
            raise _cannot_be_taxed(period, error, error.asked) from None
        closing.asked = error.asked
    except Undecided as error:
        raise _cannot_be_taxed(period, error) from None
    if closing.tax is not None and closing.tax.asked is not None:
        closing.asked = closing.tax.asked


def _cannot_be_taxed(
    period: BillingPeriod, error: Undecided, asked: TaxQuestion | None = None
) -> CannotClose:
    refusal = CannotClose(
        f"The tax of {period.workspace.name} cannot be decided on. {error.detail}",
        code=error.code,
    )
    refusal.asked = asked
    return refusal


def with_meters(usage: Sequence[UsageSum], meters: Sequence[Meter]) -> list[UsageSum]:
    """Each meter with the sum of its type and month."""
    places: dict[tuple[str, dt.date | None], list[Meter]] = defaultdict(list)
    for meter in meters:
        places[meter.resource_type, meter.late_month].append(meter)
    return [replace(each, meters=places[each.resource_type, each.late_month]) for each in usage]


def _outstanding_credits(periods: Iterable[BillingPeriod]) -> dict[UUID, Decimal]:
    """What closed periods still owe back: their negative totals, less what was brought forward.

    Each negative total includes what was brought forward into it, so the difference of the two
    sums is what the last of them left.
    """
    rows = (
        BillingPeriod.objects.filter(workspace__in={period.workspace_id for period in periods})
        .exclude(status=BillingPeriod.Status.CURRENT)
        .values("workspace_id")
        .annotate(
            brought=Sum("credit_brought_forward"),
            owed=Sum("total_amount", filter=Q(total_amount__lt=0), default=ZERO),
        )
        .order_by()
    )
    with localcontext(EXACT):
        return {
            row["workspace_id"]: row["owed"] - row["brought"]
            for row in rows
            if row["owed"] != row["brought"]
        }


def _local_date(period: BillingPeriod, at: dt.datetime) -> dt.date:
    return months.local_date(at, period.workspace.zone)
