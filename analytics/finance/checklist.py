"""The month end as a list of steps, each worked out from what is there and never ticked by hand."""

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from django.conf import settings
from django.db.models import Count, Max, Q
from django.urls import reverse

from analytics.finance.progress import MonthEnd, month_boundary
from billing.compiled import CompiledQuery, aggregated
from billing.models import BillingPeriod, Email
from invoices.payments.models import ProofRun, ReconciliationRun
from invoices.services.mailing import KIND as MAIL_OF_AN_INVOICE
from usage.models import ProviderHeartbeat
from usage.resources import provider_name


class ChecklistItem(NamedTuple):
    """`state` is done, open or problem."""

    title: str
    state: str
    detail: str
    url: str = ""


_heard = CompiledQuery[ProviderHeartbeat](
    lambda: ProviderHeartbeat.objects.order_by("at", "provider")
)
_mails_since = CompiledQuery[dict[str, int]](
    lambda kind, time: aggregated(
        Email.objects.filter(kind=kind, requested_at__gte=time),
        whole=Count("pk"),
        sent=Count("pk", filter=Q(status=Email.Status.DONE)),
        wrong=Count("pk", filter=Q(status__in=[Email.Status.BLOCKED, Email.Status.FAILED])),
    )
)
_last_close = CompiledQuery[dict[str, Any]](
    lambda since: aggregated(
        BillingPeriod.objects.filter(finalized_at__gte=since), at=Max("finalized_at")
    )
)
_last_comparison = CompiledQuery[ReconciliationRun](
    lambda: ReconciliationRun.objects.filter(finished_at__isnull=False)[:1]
)
# Its steps and differences may be long, and are not shown here.
_last_proof = CompiledQuery[ProofRun](
    lambda: ProofRun.objects.filter(finished_at__isnull=False).only(
        "started_at", "periods", "passed"
    )[:1]
)


def checklist(of: MonthEnd, counts: Mapping[str, int], *, now: dt.datetime) -> list[ChecklistItem]:
    """Of the month that ended last, from its usage to its proof. Five queries besides `counts`
    (`attention_rows.month_end_counts`)."""
    return list(_steps(of, counts, now))


def _steps(of: MonthEnd, counts: Mapping[str, int], now: dt.datetime) -> Iterator[ChecklistItem]:
    boundary = month_boundary(now)
    # Before, nothing more is to be done than what is there by chance.
    closed = of.periods == of.finalized
    yield _usage(boundary)
    if settings.CLOSE_NEEDS_APPROVAL:
        yield _approval(counts["trials"], counts["trials changed"])
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
    closed_at = _last_close.one(boundary)["at"]
    yield _compared(closed_at, counts["differences"])
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
    heard = _heard()
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


def _approval(left: int, changed: int) -> ChecklistItem:
    if not left:
        return ChecklistItem(
            "Approved", "done", "Nothing waits to be approved.", reverse("finance:trial")
        )
    said = f"{left} to approve" + (f", {changed} of them changed since" if changed else "")
    return ChecklistItem(
        "Approved", "problem" if changed else "open", said, reverse("finance:trial")
    )


def _mails(boundary: dt.datetime, invoices: int, *, closed: bool) -> ChecklistItem:
    mails = _mails_since.one(MAIL_OF_AN_INVOICE, boundary)
    url = reverse("admin:billing_email_changelist")
    # Each begins as a task of its own, shortly after the close.
    begun = closed and (mails["whole"] > 0 or not invoices)
    return _counted(
        "Mailed", mails["sent"], mails["whole"], mails["wrong"], "e-mails", url, closed=begun
    )


def _compared(closed_at: dt.datetime | None, differ: int) -> ChecklistItem:
    url = reverse("admin:payments_reconciliationrun_changelist")
    run = _last_comparison.first()
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
    run = _last_proof.first()
    if run is None or (closed_at and run.started_at < closed_at):
        return ChecklistItem("Proved", "open", "Not since the last close.", url)
    said = f"{run.periods} billing periods, {run.started_at:%Y-%m-%d %H:%M}: "
    if run.passed:
        return ChecklistItem("Proved", "done", f"{said}everything agrees.", url)
    return ChecklistItem("Proved", "problem", f"{said}not everything agrees.", url)
