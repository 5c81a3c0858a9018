"""What the passing of days does to unpaid invoices: reminders, overdue, suspension.

Days are counted on each workspace's calendar from the due date. Every step is done once however
often this runs, and one that was missed while nothing ran is made up for by the next run.
"""

import datetime as dt
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from django.conf import settings

from invoices.models import Invoice, InvoiceEvent
from invoices.services import notices, settle
from invoices.services.settle.locks import locked_invoice, record

log = logging.getLogger(__name__)

Kind = InvoiceEvent.Kind
SOURCE = "schedule"
# A reminder that could not be sent for so long is not worth sending any more.
_MAKE_UP_FOR = dt.timedelta(days=31)
# No workspace's calendar is further than this from UTC's.
_ZONES = dt.timedelta(hours=14)


@dataclass
class CollectionSummary:
    """How many invoices each step was taken for, and those it failed for with the reason."""

    reminded: int = 0
    overdue: int = 0
    suspended: int = 0
    failed: list[tuple[UUID, str]] = field(default_factory=list)


def collect(*, now: dt.datetime) -> CollectionSummary:
    """Take every step that is due. One invoice's failure does not keep the others waiting."""
    summary = CollectionSummary()
    for invoice_id in _past_due(now):
        summary.overdue += _try(summary, invoice_id, lambda pk: _mark_overdue(pk, now))
    for invoice_id in _to_suspend(now):
        summary.suspended += _try(summary, invoice_id, lambda pk: _suspend(pk, now))
    for invoice_id in _to_remind(now):
        summary.reminded += _try(summary, invoice_id, lambda pk: _remind(pk, now))
    return summary


def reminder_day(invoice: Invoice, *, today: dt.date) -> int | None:
    """The day of `COLLECTION_REMINDER_DAYS` whose turn it is: the last one that has come.

    None before the first one. Nobody is reminded before the due date of what is charged
    automatically, nor of an invoice that was issued after the reminder's day.
    """
    days = (today - invoice.due_date).days
    come = [day for day in settings.COLLECTION_REMINDER_DAYS if day <= days]
    if not come:
        return None
    day = max(come)
    if day <= 0:
        issued_on = invoice.issued_at.astimezone(invoice.workspace.zone).date()
        remind_on = invoice.due_date + dt.timedelta(days=day)
        if invoice.is_charged_automatically or issued_on >= remind_on:
            return None
    return day


def suspension_date(invoice: Invoice) -> dt.date:
    """The first day on which an overdue invoice suspends its workspace."""
    by_due_date = invoice.due_date + dt.timedelta(days=settings.SUSPEND_AFTER_DAYS)
    if not invoice.is_charged_automatically:
        return by_due_date
    first_failure = (
        InvoiceEvent.objects.filter(invoice=invoice, kind=Kind.PAYMENT_FAILED)
        .order_by("at")
        .values_list("at", flat=True)
        .first()
    )
    if first_failure is None:
        return by_due_date
    failed_on = first_failure.astimezone(invoice.workspace.zone).date()
    grace = dt.timedelta(days=settings.SUSPEND_AFTER_FAILED_CHARGE_DAYS)
    return min(failed_on + grace, by_due_date)


def _past_due(now: dt.datetime) -> list[UUID]:
    return list(
        Invoice.objects.filter(
            status=Invoice.Status.OPEN, due_date__lt=(now + _ZONES).date()
        ).values_list("pk", flat=True)
    )


def _to_suspend(now: dt.datetime) -> list[UUID]:
    return list(
        Invoice.objects.filter(
            status=Invoice.Status.OVERDUE, blocking_since__isnull=True
        ).values_list("pk", flat=True)
    )


def _to_remind(now: dt.datetime) -> list[UUID]:
    days = settings.COLLECTION_REMINDER_DAYS
    if not days:
        return []
    return list(
        Invoice.objects.filter(
            status__in=[Invoice.Status.OPEN, Invoice.Status.OVERDUE],
            due_date__lte=(now + _ZONES).date() - dt.timedelta(days=min(days)),
            due_date__gte=now.date() - dt.timedelta(days=max(days)) - _MAKE_UP_FOR,
        ).values_list("pk", flat=True)
    )


def _try(summary: CollectionSummary, invoice_id: UUID, step: Callable[[UUID], bool]) -> bool:
    try:
        return step(invoice_id)
    except Exception as error:
        log.exception("collecting invoice %s failed", invoice_id)
        summary.failed.append((invoice_id, f"{type(error).__name__}: {error}"))
        return False


def _mark_overdue(invoice_id: UUID, now: dt.datetime) -> bool:
    with locked_invoice(invoice_id) as invoice:
        if invoice.status != Invoice.Status.OPEN or not invoice.is_past_due(now):
            return False
        settle.mark_overdue(invoice_id=invoice_id, now=now, reason="past_due", source=SOURCE)
        return True


def _suspend(invoice_id: UUID, now: dt.datetime) -> bool:
    with locked_invoice(invoice_id) as invoice:
        if now.astimezone(invoice.workspace.zone).date() < suspension_date(invoice):
            return False
        return settle.block_workspace(invoice_id=invoice_id, now=now, source=SOURCE)


def _remind(invoice_id: UUID, now: dt.datetime) -> bool:
    with locked_invoice(invoice_id) as invoice:
        if invoice.status not in (Invoice.Status.OPEN, Invoice.Status.OVERDUE):
            return False
        today = now.astimezone(invoice.workspace.zone).date()
        day = reminder_day(invoice, today=today)
        if day is None or _was_told_today(invoice, today):
            return False
        key = f"reminder:{day}"
        if not record(invoice, Kind.REMINDED, at=now, source=SOURCE, detail=_when(day), key=key):
            return False
        tell = notices.tell_due_soon if day <= 0 else notices.tell_still_unpaid
        tell(invoice, key=key, now=now)
        return True


def _was_told_today(invoice: Invoice, today: dt.date) -> bool:
    """The message that it is overdue, or that the workspace is suspended, reminds as well."""
    told = InvoiceEvent.objects.filter(
        invoice=invoice, kind__in=[Kind.OVERDUE, Kind.SUSPENDED]
    ).values_list("at", flat=True)
    zone = invoice.workspace.zone
    return any(at.astimezone(zone).date() == today for at in told)


def _when(day: int) -> str:
    if day == 0:
        return "On the due date."
    count = f"{abs(day)} day{'' if abs(day) == 1 else 's'}"
    return f"{count} before the due date." if day < 0 else f"{count} after the due date."
