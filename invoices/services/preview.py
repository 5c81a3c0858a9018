"""The next invoice of a workspace as it would be if its month closed now: nothing is written.

The same pure functions as the close make it, of what rollups, terms and credits say at one moment.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Sum

from billing import months
from billing.errors import NotFound
from billing.models import BillingPeriod, PeriodCounter, Workspace
from billing.money import ZERO
from invoices.models import Invoice, InvoiceItem, InvoiceTax
from invoices.services.closing.issue import drafted
from invoices.services.closing.sums import Closing, Counted, sum_up
from invoices.services.taxing import tax_rows


@dataclass(frozen=True)
class Preview:
    """An invoice that is not saved and has no number, as of a moment. Where nothing would be
    billed, `is_billed` is false: there would be none."""

    as_of: dt.datetime
    closing: Closing
    invoice: Invoice
    items: list[InvoiceItem]
    taxes: list[InvoiceTax]

    @property
    def period(self) -> BillingPeriod:
        return self.closing.period

    @property
    def is_billed(self) -> bool:
        return self.closing.is_billed

    @property
    def tax_status(self) -> str:
        return self.closing.tax_status


def upcoming_invoice(
    *, workspace_id: UUID, now: dt.datetime, period_id: UUID | None = None
) -> Preview:
    """Of the month that closes next, or of another one that is open.

    Raises `NotFound`, and `CannotClose` for what the close would refuse too.
    """
    with one_moment():
        periods = _open_periods(workspace_id, now)
        closings = live_closings(periods, now)
    for closing in closings:
        if period_id in (None, closing.period.pk):
            invoice, items = drafted(closing, now)
            taxes = tax_rows(invoice, closing.tax) if closing.tax else []
            return Preview(now, closing, invoice, items, taxes)
    raise NotFound("There is no such open billing period.", field="billing_period_id")


def live_closings(periods: Sequence[BillingPeriod], now: dt.datetime) -> list[Closing]:
    """What periods would close with now; of a workspace all that are open up to them, in order,
    with their workspaces and billing settings."""
    rows = (
        PeriodCounter.objects.filter(period__in=[period.pk for period in periods])
        .order_by()
        .values_list("period_id")
        .annotate(Sum("records"), Sum("final_cost"))
    )
    counted = {period_id: Counted(records, cost or ZERO) for period_id, records, cost in rows}
    return sum_up(periods, counted, now, is_preview=True)


def ended_closings(workspace_ids: Sequence[UUID], now: dt.datetime) -> list[Closing]:
    """What the months of these workspaces that have ended would close with, as of one moment."""
    with one_moment():
        periods = list(
            BillingPeriod.objects.filter(
                workspace__in=workspace_ids,
                status=BillingPeriod.Status.CURRENT,
                period_end__lte=now,
            )
            .select_related("workspace__billing_settings", "tier", "issuing_entity")
            .order_by("workspace_id", "period_start")
        )
        return live_closings(periods, now)


@contextmanager
def one_moment() -> Iterator[None]:
    """Reads see one moment, whatever is recorded meanwhile; in a transaction that has begun, what
    that one sees."""
    if connection.in_atomic_block:
        yield
        return
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def _open_periods(workspace_id: UUID, now: dt.datetime) -> list[BillingPeriod]:
    """In their order; the month of `now`, not saved, where none is open."""
    periods = list(
        BillingPeriod.objects.filter(workspace=workspace_id, status=BillingPeriod.Status.CURRENT)
        .select_related("workspace__billing_settings", "tier", "issuing_entity")
        .order_by("period_start")
    )
    if periods:
        return periods
    workspace = (
        Workspace.objects.select_related("billing_settings", "tier", "issuing_entity")
        .filter(pk=workspace_id)
        .first()
    )
    if workspace is None or workspace.status == Workspace.Status.CLOSED:
        raise NotFound("There is no open billing period.")
    month = months.month_of(now, workspace.zone)
    return [
        BillingPeriod(
            workspace=workspace,
            tier=workspace.tier,
            issuing_entity=workspace.issuing_entity,
            period_start=month.start,
            period_end=month.end,
            created_at=now,
        )
    ]
