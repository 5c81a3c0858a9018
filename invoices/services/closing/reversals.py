"""Late reversals: what a closed month owes back, as credit notes for the invoice it was billed on.

A reversal of a closed month's record enters the open period. Where the month was billed with tax it
may not lower that period, whose tax is another one: a credit note gives it back, at the invoice's
own rate, and the period takes nothing off. Whatever no note can give back (the line holds no more,
it is less than half a cent, there is no such invoice) stays late usage of the open period.
`docs/adr/0043-late-reversals.md` says which and why.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal, localcontext
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import Sum

from billing.models import BillingPeriod
from billing.money import (
    EXACT,
    ZERO,
    charge_places,
    from_charge_steps,
    largest_remainder,
    to_charge_steps,
)
from invoices.credited import TooMuch, credit_lines, left_of_lines, share
from invoices.models import CreditedRecord, CreditNote, CreditNoteItem, Invoice, InvoiceItem
from invoices.services.holdings import CREDITABLE, Holdings, holdings, left_of, rate_of
from usage.queries.meters import metered_prices

_STEP = Decimal("1E-10")
_RECORDS_A_STATEMENT = 5_000


@dataclass(frozen=True, slots=True)
class OwedItem:
    """What is given back of one line: `net` before tax, `listed` at its records' list prices, of
    which `taken_over` is no longer taken off the period that the reversals entered."""

    item_id: UUID
    usage_month: dt.date
    listed: Decimal
    net: Decimal
    taken_over: Decimal


@dataclass(frozen=True, slots=True)
class OwedNote:
    """A credit note to be made: for one invoice, of reversals that entered one period."""

    invoice_id: UUID
    number: str
    items: Sequence[OwedItem]
    # What priced the records, where that was a rate.
    rates: Sequence[UUID]


class _Reversed(NamedTuple):
    period_id: UUID
    invoice_id: UUID
    item_id: UUID
    usage_month: dt.date
    rate_id: UUID | None
    listed: Decimal


# Plan: the index of late records by period, then each reversed record by its primary key, before
# anything else is joined to them: they may be on other servers (ADR 25). Only periods with late
# usage are asked for. A minimum commitment depends on all of its month, so what an invoice with one
# owes back is not the sum of what was reversed.
_LATE = """
WITH late AS MATERIALIZED (
    SELECT reversal.workspace_id, reversal.id, reversal.billing_period_id, reversal.final_cost,
           original.id AS original_id, original.billing_period_id AS original_period_id,
           original.call_id, original.rate_id, original.resource_type, original.late,
           date_trunc('month', original.usage_date)::date AS usage_month
      FROM usage_usagerecord AS reversal
      JOIN usage_usagerecord AS original
        ON original.workspace_id = reversal.workspace_id AND original.id = reversal.reverses_id
     WHERE reversal.workspace_id = ANY(%(workspaces)s)
       AND reversal.billing_period_id = ANY(%(periods)s)
       AND reversal.late AND reversal.reverses_id IS NOT NULL
       AND (%(records)s::uuid[] IS NULL OR reversal.id = ANY(%(records)s))
)"""
_FROM = """
  FROM late
  JOIN invoices_invoice AS invoice
    ON invoice.billing_period_id = late.original_period_id AND invoice.kind = 'period'
   AND invoice.status = ANY(%(creditable)s) AND invoice.carried_over = 0
  JOIN invoices_invoiceitem AS item
    ON item.invoice_id = invoice.id
   AND (NOT late.late AND item.kind = 'usage' AND item.resource_type = late.resource_type
        OR late.late AND item.kind = 'late_usage' AND item.usage_month = late.usage_month)
"""
_WHERE = """
 WHERE (%(untaxed)s OR EXISTS (SELECT FROM invoices_taxdecision AS decision
                                WHERE decision.invoice_id = invoice.id))
   AND NOT EXISTS (SELECT FROM invoices_invoiceitem AS minimum
                    WHERE minimum.invoice_id = invoice.id AND minimum.kind = 'commitment')
   AND NOT EXISTS (SELECT FROM invoices_creditedrecord AS given
                    WHERE given.workspace_id = late.workspace_id AND given.record_id = late.id)
"""
_REVERSED = f"""{_LATE}
SELECT late.billing_period_id, invoice.id, item.id, late.usage_month, late.rate_id,
       -sum(late.final_cost)
{_FROM}{_WHERE} GROUP BY 1, 2, 3, 4, 5
"""
# Read here and written by itself: in one statement Citus writes nothing, and says nothing.
_GIVEN_BACK = f"""{_LATE}
SELECT line.id, late.workspace_id, late.id, late.original_id, late.call_id, -late.final_cost
{_FROM}  JOIN invoices_creditnoteitem AS line ON line.item_id = item.id
{_WHERE}   AND invoice.id = %(invoice)s AND line.credit_note_id = %(note)s
   AND (late.rate_id IS NULL OR late.rate_id = ANY(%(rates)s))
"""


def owed_notes(
    periods: Sequence[BillingPeriod], *, record_ids: Collection[UUID] | None = None
) -> dict[UUID, list[OwedNote]]:
    """The credit notes that open periods' late reversals make, by period. Nothing is written; the
    workspaces are locked, or it is a preview.

    With `record_ids` of these reversals only, whose months were billed with tax or without."""
    found: dict[UUID, list[OwedNote]] = defaultdict(list)
    by_invoice: dict[tuple[UUID, UUID], list[_Reversed]] = defaultdict(list)
    for row in _reversed(periods, record_ids):
        by_invoice[row.period_id, row.invoice_id].append(row)
    invoices = {
        invoice.pk: invoice
        for invoice in Invoice.objects.filter(
            pk__in={invoice_id for _, invoice_id in by_invoice}
        ).prefetch_related("items", "taxes")
    }
    planned = set()
    for (period_id, invoice_id), rows in sorted(by_invoice.items(), key=lambda each: each[0]):
        # What one note leaves is known once it is made: of two periods at once, the first.
        if invoice_id in planned:
            continue
        with localcontext(EXACT):
            items = _owed_items(invoices[invoice_id], rows)
        if items:
            planned.add(invoice_id)
            rates = sorted({row.rate_id for row in rows if row.rate_id is not None})
            number = invoices[invoice_id].number
            found[period_id].append(OwedNote(invoice_id, number, items, rates))
    return found


def given_back(periods: Iterable[BillingPeriod]) -> dict[UUID, dict[dt.date, Decimal]]:
    """What issued notes took over of each period's late reversals, by the month these are of."""
    found: dict[UUID, dict[dt.date, Decimal]] = defaultdict(dict)
    rows = (
        CreditNoteItem.objects.filter(
            period__in=[period.pk for period in periods],
            credit_note__status=CreditNote.Status.ISSUED,
        )
        .order_by()
        .values_list("period_id", "usage_month")
        .annotate(Sum("taken_over"))
    )
    for period_id, month, amount in rows:
        found[period_id][month] = amount
    return found


def taken_over(
    notes: Iterable[OwedNote], earlier: Mapping[dt.date, Decimal]
) -> dict[dt.date, Decimal]:
    """What notes to be made take over, with what earlier ones did, by month."""
    by_month = dict(earlier)
    for note in notes:
        for item in note.items:
            before = by_month.get(item.usage_month, ZERO)
            by_month[item.usage_month] = EXACT.add(before, item.taken_over)
    return by_month


def _reversed(
    periods: Sequence[BillingPeriod], record_ids: Collection[UUID] | None
) -> list[_Reversed]:
    """By line and month; without what is priced by the whole period, which the open one settles."""
    if not periods:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_REVERSED, _which(periods, record_ids))
        rows = [_Reversed(*row) for row in cursor.fetchall()]
    metered = metered_prices({row.rate_id for row in rows if row.rate_id is not None})
    return [row for row in rows if row.rate_id not in metered]


def link_records(
    note: CreditNote,
    owed: OwedNote,
    period: BillingPeriod,
    *,
    record_ids: Collection[UUID] | None = None,
) -> None:
    """Note which reversals the lines of a note give back, and what they take off no period now."""
    by_item = {each.item_id: each for each in owed.items}
    lines = list(note.items.all())
    for line in lines:
        each = by_item[line.item_id]
        line.period, line.usage_month, line.taken_over = period, each.usage_month, each.taken_over
    CreditNoteItem.objects.bulk_update(lines, ["period", "usage_month", "taken_over"])
    with connection.cursor() as cursor:
        cursor.execute(
            _GIVEN_BACK,
            {
                **_which([period], record_ids),
                "invoice": note.invoice_id,
                "note": note.pk,
                "rates": list(owed.rates),
            },
        )
        rows = cursor.fetchall()
    names = ("item_id", "workspace_id", "record_id", "reversed_id", "call_id", "amount")
    records = [CreditedRecord(**dict(zip(names, row, strict=True))) for row in rows]
    CreditedRecord.objects.bulk_create(records, batch_size=_RECORDS_A_STATEMENT)


def _which(periods: Sequence[BillingPeriod], record_ids: Collection[UUID] | None) -> dict[str, Any]:
    return {
        "workspaces": list({period.workspace_id for period in periods}),
        "periods": [period.pk for period in periods],
        "records": None if record_ids is None else list(record_ids),
        "creditable": [str(status) for status in CREDITABLE],
        "untaxed": record_ids is not None or settings.UNTAXED_REVERSALS_AS_CREDIT_NOTES,
    }


def _owed_items(invoice: Invoice, rows: Sequence[_Reversed]) -> list[OwedItem]:
    """Rounded once for the note, and no more than lines and rates hold."""
    listed: dict[tuple[UUID, dt.date], Decimal] = defaultdict(Decimal)
    for row in rows:
        listed[row.item_id, row.usage_month] += row.listed
    items = {item.pk: item for item in invoice.items.all()}
    held = holdings(invoice)
    paid = _paid_shares(invoice, held)
    wanted = {
        key: amount * paid.get(key[0], ZERO)
        for key, amount in sorted(listed.items())
        if amount > 0 and paid.get(key[0])
    }
    steps = _rounded(list(wanted.values()), invoice.currency)
    owed = []
    left = left_of_lines(held.lines)
    left_of_rate = {rate: group.net for rate, group in held.groups.items()}
    for key, asked in zip(wanted, steps, strict=True):
        item_id, month = key
        rate = rate_of(items[item_id])
        given = min(asked, left[item_id], left_of_rate[rate])
        if given <= 0:
            continue
        left_of_rate[rate] -= given
        whole = listed[key]
        part = whole if given == asked else _part(whole, given, asked)
        net = from_charge_steps(given, invoice.currency)
        owed.append(OwedItem(item_id, month, whole, net, part))
    return owed if _is_left(invoice, owed, held) else []


def _paid_shares(invoice: Invoice, held: Holdings) -> dict[UUID, Decimal]:
    """What was asked for, before tax, of each unit of list price: less discounts of its rate, and
    less the tax where prices include it."""
    shares = {}
    items = list(invoice.items.all())
    for rate in held.groups:
        group = [item for item in items if rate_of(item) == rate]
        positive = {line.id: line.net for line in held.lines if line.rate == rate and line.net > 0}
        off = -sum((item.net for item in group if item.kind == InvoiceItem.Kind.DISCOUNT), ZERO)
        taken = to_charge_steps(off, invoice.currency)
        discount = share(min(taken, sum(positive.values())), positive)
        included = 1 + rate[1] / 100 if invoice.prices_include_tax else Decimal(1)
        for item_id, net in positive.items():
            shares[item_id] = Decimal(net - discount[item_id]) / net / included
    return shares


def _rounded(exact: Sequence[Decimal], currency: str) -> list[int]:
    """In whole charge steps, their sum rounded once."""
    scaled = [amount.scaleb(charge_places(currency)) for amount in exact]
    total = sum(scaled, ZERO).quantize(Decimal(1), rounding=ROUND_HALF_UP)
    return largest_remainder(scaled, int(total))


def _part(whole: Decimal, given: int, asked: int) -> Decimal:
    return (whole * given / asked).quantize(_STEP, rounding=ROUND_HALF_EVEN)


def _is_left(invoice: Invoice, owed: Sequence[OwedItem], held: Holdings) -> bool:
    wanted = {each.item_id: to_charge_steps(each.net, invoice.currency) for each in owed}
    try:
        credited = credit_lines(wanted, held.lines, held.groups)
    except TooMuch:
        return False
    net = from_charge_steps(credited.net, invoice.currency)
    tax = from_charge_steps(credited.tax, invoice.currency)
    return bool(owed) and left_of(invoice).holds(net=net, tax=tax)
