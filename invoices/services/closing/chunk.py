"""Closing some periods in one transaction, a fixed number of statements for any number of them.

Locks, in this order: workspaces, periods, counter slots (each by key), at the end the number
sequences.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from billing.models import BillingPeriod, Workspace
from invoices.models import Invoice
from invoices.services.closing.advance import (
    bring_agents_back,
    freeze,
    freeze_meters,
    open_next,
)
from invoices.services.closing.approval import refuse_unapproved
from invoices.services.closing.issue import write_invoices
from invoices.services.closing.sums import Closing, Counted, sum_up
from invoices.signals import invoices_issued, reversals_owed


class Closed(NamedTuple):
    periods: list[BillingPeriod]
    invoices: list[Invoice]


def close_chunk(
    *, period_ids: Sequence[UUID], now: dt.datetime, skip_locked: bool = False
) -> Closed:
    """Close the periods that are still current, all or none; those closed, and their invoices.

    With `skip_locked`, periods of workspaces that someone else works on are left out, so that two
    runs share the work instead of queueing. Raises `CannotClose` naming the period.
    """
    with transaction.atomic():
        periods = _lock(period_ids, skip_locked=skip_locked)
        if not periods:
            return Closed([], [])
        closings = sum_up(periods, _shut_counters(periods), now)
        if settings.CLOSE_NEEDS_APPROVAL:
            refuse_unapproved(closings)
        freeze(closings, now)
        freeze_meters(closings)
        open_next(periods, now)
        bring_agents_back(periods, now)
        # What credit notes give back is credit that these months' invoices use.
        if any(closing.notes for closing in closings):
            _owe_back(closings, now)
        # Last, because the sequence of numbers is locked from here to the commit.
        invoices = write_invoices(closings, now)
        if invoices:
            _follow(invoices, now)
    return Closed(periods, invoices)


def _lock(period_ids: Sequence[UUID], *, skip_locked: bool) -> list[BillingPeriod]:
    # No-key locks: what refers to these rows meanwhile checks their keys, and must not wait.
    locked = list(
        Workspace.objects.filter(periods__in=period_ids)
        .select_for_update(no_key=True, skip_locked=skip_locked, of=("self",))
        .order_by("pk")
        .values_list("pk", flat=True)
    )
    # Who waited finds here what was closed meanwhile: this statement sees the present.
    return list(
        BillingPeriod.objects.filter(
            pk__in=period_ids, workspace__in=locked, status=BillingPeriod.Status.CURRENT
        )
        .select_for_update(no_key=True, of=("self",))
        .select_related("workspace", "workspace__billing_settings", "tier", "issuing_entity")
        .order_by("workspace_id", "period_start")
    )


# Locked in the order in which ingest locks them, so that neither can deadlock the other. The sums
# are those of the rows as locked: whoever held one has committed, or is not in them.
_SHUT = """
WITH slots AS (
    SELECT id FROM billing_periodcounter WHERE period_id = ANY(%s)
     ORDER BY period_id, slot FOR UPDATE
), shut AS (
    UPDATE billing_periodcounter AS counter SET is_open = false
      FROM slots WHERE counter.id = slots.id
    RETURNING counter.period_id, counter.records, counter.final_cost
)
SELECT period_id, sum(records)::bigint, sum(final_cost) FROM shut GROUP BY period_id
"""


def _shut_counters(periods: Iterable[BillingPeriod]) -> dict[UUID, Counted]:
    """From here on no record can enter; waits for those that are entering."""
    with connection.cursor() as cursor:
        cursor.execute(_SHUT, [[period.pk for period in periods]])
        return {period_id: Counted(*counted) for period_id, *counted in cursor}


def _owe_back(closings: Sequence[Closing], now: dt.datetime) -> None:
    owed = [(closing.period, note) for closing in closings for note in closing.notes]
    reversals_owed.send(BillingPeriod, owed=owed, now=now)


def _follow(invoices: Sequence[Invoice], now: dt.datetime) -> None:
    """What invoices set going, once they are committed; each has a sweep that finds it again."""
    ids = [invoice.pk for invoice in invoices]
    invoices_issued.send(Invoice, invoice_ids=ids, now=now)
