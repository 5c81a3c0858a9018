"""What the passing of days does to unpaid invoices: reminders, overdue, suspension.

Days are counted on each workspace's calendar from the due date. Every step is done once however
often this runs, and one that was missed while nothing ran is made up for by the next run.
"""

import datetime as dt
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

from django.conf import settings
from django.db.models import Max, Min, Q

from invoices.models import Invoice, InvoiceEvent
from invoices.payments.models import InvoiceAction
from invoices.payments.services import notifications, settle
from invoices.payments.services.collection.actions import ActionPending, NotAllowedNow, charge
from invoices.queries import lacks_payment_method
from invoices.services.history import locked_invoice, record

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
    charged: int = 0
    failed: list[tuple[UUID, str]] = field(default_factory=list)


def collect(*, now: dt.datetime) -> CollectionSummary:
    """Take every step that is due. One invoice's failure does not keep the others waiting."""
    summary = CollectionSummary()
    for invoice_id, day in _to_charge(summary, now):
        with _reported(summary, invoice_id):
            summary.charged += _charge_again(invoice_id, day, now)
    for invoice_id in _past_due(now):
        with _reported(summary, invoice_id):
            summary.overdue += _mark_overdue(invoice_id, now)
    for invoice_id in _to_suspend(summary, now):
        with _reported(summary, invoice_id):
            summary.suspended += settle.suspend_workspace(
                invoice_id=invoice_id, now=now, source=SOURCE
            )
    for invoice_id, day in _to_remind(summary, now):
        with _reported(summary, invoice_id):
            summary.reminded += _remind(invoice_id, day, now)
    return summary


def reminder_day(invoice: Invoice, *, today: dt.date) -> int | None:
    """The day of `COLLECTION_REMINDER_DAYS` whose turn it is: the last one that has come.

    None before the first one. Nobody is reminded before the due date of what will be charged
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
        charged_by_itself = invoice.is_charged_automatically and not lacks_payment_method(invoice)
        if charged_by_itself or issued_on >= remind_on:
            return None
    return day


def charge_day(invoice: Invoice, *, today: dt.date) -> int | None:
    """The day of `CHARGE_RETRY_DAYS` whose turn it is: the last one that has come; None before."""
    days = (today - invoice.issued_on).days
    return max((day for day in settings.CHARGE_RETRY_DAYS if day <= days), default=None)


def suspension_date(invoice: Invoice, *, first_failure: dt.datetime | None) -> dt.date:
    """The first day on which an overdue invoice suspends its workspace.

    `first_failure` is when a charge of it failed first, if one did.
    """
    by_due_date = invoice.due_date + dt.timedelta(days=settings.SUSPEND_AFTER_DAYS)
    if first_failure is None or not invoice.is_charged_automatically:
        return by_due_date
    failed_on = first_failure.astimezone(invoice.workspace.zone).date()
    grace = dt.timedelta(days=settings.SUSPEND_AFTER_FAILED_CHARGE_DAYS)
    return min(failed_on + grace, by_due_date)


def _past_due(now: dt.datetime) -> list[UUID]:
    return list(
        Invoice.objects.filter(
            status__in=Invoice.AWAITED, carried_over=0, due_date__lt=(now + _ZONES).date()
        ).values_list("pk", flat=True)
    )


def _to_suspend(summary: CollectionSummary, now: dt.datetime) -> list[UUID]:
    overdue = (
        Invoice.objects.filter(status=Invoice.Status.OVERDUE, suspends_since__isnull=True)
        .select_related("workspace")
        .annotate(
            first_failure=Min("events__at", filter=Q(events__kind=Kind.PAYMENT_FAILED)),
        )
    )
    due = []
    for invoice in overdue.iterator(chunk_size=1000):
        with _reported(summary, invoice.pk):
            first_day = suspension_date(invoice, first_failure=invoice.first_failure)
            if _today(invoice, now) >= first_day:
                due.append(invoice.pk)
    return due


def _to_remind(summary: CollectionSummary, now: dt.datetime) -> list[tuple[UUID, int]]:
    """Each with the day of the schedule whose reminder it has not had yet."""
    days = settings.COLLECTION_REMINDER_DAYS
    if not days:
        return []
    unpaid = Invoice.objects.filter(
        status__in=Invoice.UNPAID,
        carried_over=0,
        due_date__lte=(now + _ZONES).date() - dt.timedelta(days=min(days)),
        due_date__gte=now.date() - dt.timedelta(days=max(days)) - _MAKE_UP_FOR,
    )
    had = set(
        InvoiceEvent.objects.filter(invoice__in=unpaid, kind=Kind.REMINDED).values_list(
            "invoice_id", "key"
        )
    )
    # The message that it is overdue, or that the workspace is suspended, reminds as well.
    told = unpaid.select_related("workspace").annotate(
        last_told=Max("events__at", filter=Q(events__kind__in=[Kind.OVERDUE, Kind.SUSPENDED]))
    )
    turns = []
    for invoice in told.iterator(chunk_size=1000):
        with _reported(summary, invoice.pk):
            day = reminder_day(invoice, today=_today(invoice, now))
            if day is None or (invoice.pk, _key(day)) in had:
                continue
            remind_on = invoice.due_date + dt.timedelta(days=day)
            if invoice.last_told is None or _today(invoice, invoice.last_told) < remind_on:
                turns.append((invoice.pk, day))
    return turns


def _to_charge(summary: CollectionSummary, now: dt.datetime) -> list[tuple[UUID, int]]:
    """Automatic invoices with the day of the schedule on which they were not charged yet."""
    days = settings.CHARGE_RETRY_DAYS
    if not days:
        return []
    unpaid = Invoice.objects.filter(
        status__in=Invoice.UNPAID,
        carried_over=0,
        collection_method="charge_automatically",
        stripe_invoice_id__isnull=False,
        issued_at__gte=now - dt.timedelta(days=max(days)) - _MAKE_UP_FOR,
        issued_at__lt=now + _ZONES - dt.timedelta(days=min(days)),
    )
    tried = set(
        InvoiceAction.objects.filter(invoice__in=unpaid)
        .exclude(key="")
        .values_list("invoice_id", "key")
    )
    turns = []
    for invoice in unpaid.select_related("workspace").iterator(chunk_size=1000):
        with _reported(summary, invoice.pk):
            day = charge_day(invoice, today=_today(invoice, now))
            if day is not None and (invoice.pk, _charge_key(day)) not in tried:
                turns.append((invoice.pk, day))
    return turns


def _charge_again(invoice_id: UUID, day: int, now: dt.datetime) -> bool:
    try:
        charge(invoice_id=invoice_id, now=now, why=SOURCE, key=_charge_key(day))
    except (ActionPending, NotAllowedNow):
        return False  # the next run looks again
    return True


@contextmanager
def _reported(summary: CollectionSummary, invoice_id: UUID) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        # Whatever it is: it is named in the summary, and the other invoices go on.
        log.exception("collecting invoice %s failed", invoice_id)
        summary.failed.append((invoice_id, f"{type(error).__name__}: {error}"))


def _mark_overdue(invoice_id: UUID, now: dt.datetime) -> bool:
    with locked_invoice(invoice_id) as invoice:
        if invoice.status not in Invoice.AWAITED or not invoice.is_past_due(now):
            return False
        settle.mark_overdue(invoice_id=invoice_id, now=now, reason="past_due", source=SOURCE)
        return True


def _remind(invoice_id: UUID, day: int, now: dt.datetime) -> bool:
    with locked_invoice(invoice_id) as invoice:
        if invoice.status not in Invoice.UNPAID:
            return False
        key = _key(day)
        if not record(invoice, Kind.REMINDED, at=now, source=SOURCE, detail=_when(day), key=key):
            return False
        tell = notifications.tell_due_soon if day <= 0 else notifications.tell_still_unpaid
        tell(invoice, key=key, now=now)
        return True


def _today(invoice: Invoice, now: dt.datetime) -> dt.date:
    return now.astimezone(invoice.workspace.zone).date()


def _charge_key(day: int) -> str:
    return f"charge:{day}"


def _key(day: int) -> str:
    return f"reminder:{day}"


def _when(day: int) -> str:
    if day == 0:
        return "On the due date."
    count = f"{abs(day)} day{'' if abs(day) == 1 else 's'}"
    return f"{count} before the due date." if day < 0 else f"{count} after the due date."
