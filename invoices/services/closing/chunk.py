"""Closing some periods in one transaction, a fixed number of statements for any number of them.

Locks, in this order: workspaces, periods, counter slots (each by key), at the end the number
sequence. What a period costs to close does not depend on how many records it holds: everything is
read from counters and rollups.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q, Sum

from billing import months
from billing.errors import BillingError
from billing.models import BillingPeriod, TierPrice, Workspace
from billing.money import ZERO, from_minor, to_minor
from billing.services.periods import insert_periods
from billing.tasks import enqueue
from invoices.models import Invoice, InvoiceItem
from invoices.services.closing.lines import Line, UsageSum, amounts_minor, build_lines
from invoices.services.closing.numbering import take_numbers
from invoices.signals import invoice_issued
from usage.models import VoiceAgent
from usage.services.agents import align_agents


class CannotClose(BillingError):
    """A period that cannot be closed as things are; its message says what to mend."""

    status = 409
    code = "cannot_close"


@dataclass(slots=True)
class _Closing:
    """A period on its way: what it is billed."""

    period: BillingPeriod
    fee: Decimal
    credit: Decimal
    subtotal: Decimal
    lines: list[Line]

    @property
    def total(self) -> Decimal:
        return self.subtotal + self.fee + self.credit

    @property
    def amount_minor(self) -> int:
        return to_minor(self.total, self.period.workspace.currency)


def close_chunk(
    *, period_ids: Sequence[UUID], now: dt.datetime, skip_locked: bool = False
) -> tuple[list[BillingPeriod], list[Invoice]]:
    """Close the periods that are still current, all or none; the closed ones and their invoices.

    With `skip_locked`, periods of workspaces that someone else works on are left out, so that two
    runs share the work instead of queueing. Raises `CannotClose` naming the period.
    """
    with transaction.atomic():
        periods = _lock(period_ids, skip_locked=skip_locked)
        if not periods:
            return [], []
        _shut_counters(periods)
        closings = _sum_up(periods)
        invoices = _write_invoices(closings, now)
        _freeze(closings, now)
        opened = _open_next(periods, now)
        _bring_agents_back(opened, now)
    return periods, invoices


def _lock(period_ids: Sequence[UUID], *, skip_locked: bool) -> list[BillingPeriod]:
    # No-key locks: records being written check the period by its key, which must not wait.
    locked = list(
        Workspace.objects.filter(periods__in=period_ids)
        .select_for_update(no_key=True, skip_locked=skip_locked, of=("self",))
        .order_by("pk")
        .values_list("pk", flat=True)
    )
    return list(
        BillingPeriod.objects.filter(
            pk__in=period_ids, workspace__in=locked, status=BillingPeriod.Status.CURRENT
        )
        .select_for_update(no_key=True, of=("self",))
        .select_related("workspace", "workspace__billing_settings", "tier")
        .order_by("workspace_id", "period_start")
    )


# In the order in which ingest locks them, so that neither can deadlock the other.
_SHUT = """
UPDATE billing_periodcounter SET is_open = false
  FROM (SELECT id FROM billing_periodcounter WHERE period_id = ANY(%s)
         ORDER BY period_id, slot FOR UPDATE) AS slots
 WHERE billing_periodcounter.id = slots.id
"""


def _shut_counters(periods: Iterable[BillingPeriod]) -> None:
    """From here on no record can enter; waits for those that are entering."""
    with connection.cursor() as cursor:
        cursor.execute(_SHUT, [[period.pk for period in periods]])


# Usage of another month than the period's own is late. `first` and `until` are local dates.
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


def _local_date(period: BillingPeriod, at: dt.datetime) -> dt.date:
    return months.local_date(at, period.workspace.zone)


def _sum_up(periods: list[BillingPeriod]) -> list[_Closing]:
    sums = usage_sums(periods)
    counted = {
        row["pk"]: row
        for row in BillingPeriod.objects.filter(pk__in=[period.pk for period in periods])
        .values("pk")
        .annotate(spend=Sum("counters__final_cost"), records=Sum("counters__records"))
    }
    fees = {
        (price.tier_id, price.currency): price.monthly_fee
        for price in TierPrice.objects.filter(tier__in={period.tier_id for period in periods})
    }
    credits = _outstanding_credits(periods)
    closings = []
    for period in periods:
        workspace = period.workspace
        usage = sums.get(period.pk, [])
        subtotal = sum((each.final_cost for each in usage), ZERO)
        records = sum(each.records for each in usage)
        counter = counted[period.pk]
        if counter["spend"] != subtotal or counter["records"] != records:
            raise CannotClose(
                f"Period {period.pk} counted {counter['records']} records for"
                f" {counter['spend']}, its rollups hold {records} for {subtotal}:"
                " run check_ledger and rebuild_rollups.",
                code="ledger_differs",
            )
        fee = fees.get((period.tier_id, workspace.currency))
        if fee is None:
            raise CannotClose(
                f"Tier {period.tier.name!r} of workspace {workspace.pk} has no price in"
                f" {workspace.currency}.",
                code="no_price_in_currency",
            )
        # One credit is brought forward once: by the workspace's first period to close.
        credit = credits.pop(workspace.pk, ZERO)
        lines = build_lines(fee=fee, usage=usage, credit=credit)
        closing = _Closing(period, fee, credit, subtotal, lines)
        if closing.total < 0:
            credits[workspace.pk] = closing.total
        closings.append(closing)
    return closings


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
            owed=Sum("total_amount", filter=Q(total_amount__lt=0)),
        )
    )
    return {
        row["workspace_id"]: (row["owed"] or ZERO) - row["brought"]
        for row in rows
        if (row["owed"] or ZERO) != row["brought"]
    }


def _write_invoices(closings: Iterable[_Closing], now: dt.datetime) -> list[Invoice]:
    """An invoice for every period with something to pay; a period without gets none."""
    billed = [closing for closing in closings if closing.amount_minor > 0]
    numbers = take_numbers(
        issuer=settings.INVOICE_ISSUER, year=now.astimezone(dt.UTC).year, count=len(billed)
    )
    invoices = [
        _invoice(closing, number, now) for closing, number in zip(billed, numbers, strict=True)
    ]
    Invoice.objects.bulk_create(invoices)
    InvoiceItem.objects.bulk_create(
        [
            item
            for closing, invoice in zip(billed, invoices, strict=True)
            for item in _items(closing, invoice)
        ]
    )
    for invoice in invoices:
        _follow(invoice, now)
    return invoices


def _invoice(closing: _Closing, number: str, now: dt.datetime) -> Invoice:
    workspace = closing.period.workspace
    terms = workspace.billing_settings
    issued_on = months.local_date(now, workspace.zone)
    return Invoice(
        workspace=workspace,
        billing_period=closing.period,
        number=number,
        currency=workspace.currency,
        amount=from_minor(closing.amount_minor, workspace.currency),
        exact_amount=closing.total,
        collection_method=terms.collection_method,
        payment_terms_days=terms.payment_terms_days,
        issued_at=now,
        due_date=issued_on + dt.timedelta(days=terms.payment_terms_days),
        bill_to_name=workspace.billing_name or workspace.name,
        bill_to_email=workspace.billing_email,
        bill_to_address=_address(workspace),
        bill_to_tax_id=workspace.tax_id,
        created_at=now,
    )


def _items(closing: _Closing, invoice: Invoice) -> list[InvoiceItem]:
    return [
        InvoiceItem(
            invoice=invoice,
            position=position,
            kind=line.kind,
            description=line.description,
            resource_type=line.resource_type,
            usage_month=line.usage_month,
            quantity=line.quantity,
            unit_price=line.unit_price,
            exact_amount=line.exact_amount,
            amount=from_minor(minor, invoice.currency),
        )
        for position, (line, minor) in enumerate(
            zip(closing.lines, amounts_minor(closing.lines, invoice.currency), strict=True),
            start=1,
        )
    ]


def _address(workspace: Workspace) -> str:
    city = " ".join(
        part
        for part in (
            workspace.address_postal_code,
            workspace.address_city,
            workspace.address_state,
        )
        if part
    )
    parts = (
        workspace.address_line1,
        workspace.address_line2,
        city,
        workspace.address_country,
    )
    return "\n".join(part for part in parts if part)


def _follow(invoice: Invoice, now: dt.datetime) -> None:
    """What an invoice sets going, once it is committed; each has a sweep that finds it again."""
    # The push's task imports services of this app: imported late, at the one place that starts it.
    from invoices.tasks import push_invoice

    invoice_issued.send(Invoice, invoice_id=invoice.pk, now=now)
    transaction.on_commit(lambda: enqueue(push_invoice, str(invoice.pk)))


def _freeze(closings: Sequence[_Closing], now: dt.datetime) -> None:
    for closing in closings:
        period = closing.period
        period.subtotal = closing.subtotal
        period.subscription_fee = closing.fee
        period.credit_brought_forward = closing.credit
        period.total_amount = closing.total
        period.status = BillingPeriod.Status.FINALIZED
        period.finalized_at = now
        period.close_error = ""
        period.close_failed_at = None
    BillingPeriod.objects.bulk_update(
        [closing.period for closing in closings],
        [
            "subtotal",
            "subscription_fee",
            "credit_brought_forward",
            "total_amount",
            "status",
            "finalized_at",
            "close_error",
            "close_failed_at",
        ],
    )


def _open_next(periods: Sequence[BillingPeriod], now: dt.datetime) -> list[BillingPeriod]:
    """The month that follows each closed one, unless it is there or the workspace is closed."""
    followed = set(
        BillingPeriod.objects.filter(
            workspace__in={period.workspace_id for period in periods},
            period_start__in={period.period_end for period in periods},
        ).values_list("workspace_id", "period_start")
    )
    new = []
    for period in periods:
        workspace = period.workspace
        key = (workspace.pk, period.period_end)
        if workspace.status == Workspace.Status.CLOSED or key in followed:
            continue
        new.append(
            BillingPeriod(
                workspace=workspace,
                tier_id=workspace.tier_id,
                period_start=period.period_end,
                period_end=months.month_of(period.period_end, workspace.zone).end,
                created_at=now,
            )
        )
    insert_periods(new)
    return new


def _bring_agents_back(opened: Sequence[BillingPeriod], now: dt.datetime) -> None:
    """A new period starts with nothing spent: agents that the limit paused may go on."""
    paused = (
        VoiceAgent.objects.filter(
            workspace__in={period.workspace_id for period in opened},
            paused_reason=VoiceAgent.PausedReason.USAGE_LIMIT,
        )
        .values_list("workspace_id", flat=True)
        .distinct()
    )
    for workspace_id in paused:
        align_agents(workspace_id=workspace_id, now=now)
