"""The month end as a list of steps, each worked out from what is there and never ticked by hand."""

import datetime as dt
from collections.abc import Iterator
from typing import NamedTuple

from django.conf import settings
from django.db.models import Max
from django.urls import reverse

from analytics.finance.attention_rows import trials_to_approve
from analytics.finance.progress import MonthEnd, month_boundary
from billing.models import BillingPeriod, Email
from invoices.payments.models import Difference, ProofRun, ReconciliationRun
from invoices.services.mailing import KIND as MAIL_OF_AN_INVOICE
from usage.models import ProviderHeartbeat
from usage.resources import provider_name


class ChecklistItem(NamedTuple):
    """`state` is done, open or problem."""

    title: str
    state: str
    detail: str
    url: str = ""


def checklist(of: MonthEnd, *, now: dt.datetime) -> list[ChecklistItem]:
    """Of the month that ended last, from its usage to its proof. Ten queries at most."""
    return list(_steps(of, now))


def _steps(of: MonthEnd, now: dt.datetime) -> Iterator[ChecklistItem]:
    boundary = month_boundary(now)
    # Before, nothing more is to be done than what is there by chance.
    closed = of.periods == of.finalized
    yield _usage(boundary)
    if settings.CLOSE_NEEDS_APPROVAL:
        yield _approval()
    yield _counted(
        "Closed",
        of.finalized,
        of.periods,
        of.blocked,
        "periods",
        reverse("admin:billing_billingperiod_changelist")
        + ("?stage=blocked" if of.blocked else "?stage=closed"),
        closed=closed,
    )
    invoices = reverse("admin:invoices_invoice_changelist")
    yield _counted(
        *("In Stripe", of.synced, of.invoices, of.sync_blocked, "invoices", invoices),
        closed=closed,
    )
    yield _mails(boundary, of.invoices, closed=closed)
    # Nothing more comes in for what was written off.
    yield _counted(
        "Paid",
        of.paid,
        of.invoices - of.written_off,
        of.overdue,
        "invoices",
        f"{invoices}?status__exact=overdue" if of.overdue else invoices,
        closed=closed,
    )
    closed_at = BillingPeriod.objects.filter(finalized_at__gte=boundary).aggregate(
        last=Max("finalized_at")
    )["last"]
    yield _compared(closed_at)
    yield _proved(closed_at)


def _counted(
    title: str, done: int, whole: int, wrong: int, what: str, url: str, *, closed: bool
) -> ChecklistItem:
    """Done once all is and nothing more can come, the month being `closed`."""
    state = "problem" if wrong else "done" if done == whole and closed else "open"
    said = f"{done} of {whole} {what}" + (f", {wrong} with a problem" if wrong else "")
    nothing = "Nothing to do." if closed else "Once the month is closed."
    return ChecklistItem(title, state, said if whole else nothing, url)


def _usage(boundary: dt.datetime) -> ChecklistItem:
    heard = list(ProviderHeartbeat.objects.order_by("at", "provider"))
    silent = [each for each in heard if each.at < boundary]
    said = "; ".join(
        f"{provider_name(each.provider)} ({each.source}) last at {each.at:%Y-%m-%d %H:%M}"
        for each in silent
    )
    if not heard:
        return ChecklistItem(
            "Usage has come in", "open", "Nothing has been heard of any provider yet."
        )
    if silent:
        return ChecklistItem(
            "Usage has come in", "open", f"Not heard of since the month ended: {said}."
        )
    first, last = heard[0].at, heard[-1].at
    return ChecklistItem(
        "Usage has come in",
        "done",
        f"All {len(heard)} sources were heard of since the month ended, between"
        f" {first:%Y-%m-%d %H:%M} and {last:%Y-%m-%d %H:%M}.",
    )


def _approval() -> ChecklistItem:
    waiting = trials_to_approve()
    changed, left = waiting.exclude(changes=[]).count(), waiting.count()
    if not left:
        return ChecklistItem(
            "Approved", "done", "Nothing waits to be approved.", reverse("finance:trial")
        )
    said = f"{left} to approve" + (f", {changed} of them changed since" if changed else "")
    return ChecklistItem(
        "Approved", "problem" if changed else "open", said, reverse("finance:trial")
    )


def _mails(boundary: dt.datetime, invoices: int, *, closed: bool) -> ChecklistItem:
    mails = Email.objects.filter(kind=MAIL_OF_AN_INVOICE, requested_at__gte=boundary)
    whole, sent = mails.count(), mails.filter(status=Email.Status.DONE).count()
    wrong = mails.filter(status__in=[Email.Status.BLOCKED, Email.Status.FAILED]).count()
    url = reverse("admin:billing_email_changelist")
    # Each begins as a task of its own, shortly after the close.
    begun = closed and (whole > 0 or not invoices)
    return _counted("Mailed", sent, whole, wrong, "e-mails", url, closed=begun)


def _compared(closed_at: dt.datetime | None) -> ChecklistItem:
    url = reverse("admin:payments_reconciliationrun_changelist")
    run = ReconciliationRun.objects.filter(finished_at__isnull=False).first()
    differ = Difference.objects.filter(Difference.OPEN).count()
    if run is None or (closed_at and run.started_at < closed_at):
        return ChecklistItem("Compared with Stripe", "open", "Not since the last close.", url)
    if run.error or differ:
        return ChecklistItem(
            "Compared with Stripe", "problem", run.error or f"{differ} differences are open.", url
        )
    said = f"{run.checked} invoices, {run.started_at:%Y-%m-%d %H:%M}: no difference is open."
    return ChecklistItem("Compared with Stripe", "done", said, url)


def _proved(closed_at: dt.datetime | None) -> ChecklistItem:
    url = reverse("finance:proof")
    run = ProofRun.objects.filter(finished_at__isnull=False).first()
    if run is None or (closed_at and run.started_at < closed_at):
        return ChecklistItem("Proved", "open", "Not since the last close.", url)
    said = f"{run.periods} billing periods, {run.started_at:%Y-%m-%d %H:%M}: "
    if run.passed:
        return ChecklistItem("Proved", "done", f"{said}everything agrees.", url)
    return ChecklistItem("Proved", "problem", f"{said}not everything agrees.", url)
