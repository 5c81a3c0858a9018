"""The month end: its progress, its steps, and its record that two people put their names to."""

import datetime as dt
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone as clock
from django.views.decorators.http import require_POST

from analytics.finance import attention_rows, progress
from analytics.finance.checklist import ChecklistItem, checklist
from analytics.finance.views import MAY_CLOSE
from billing.errors import BillingError, NotFound
from billing.services.staff import SEES_FIGURES
from invoices.payments.models import MonthRecord
from invoices.payments.services import month_records

_EVENTS = 20
_SHOWN = 50
_REASON = 500


def page(request: HttpRequest) -> HttpResponse:
    """The progress of the month end; with `?part` only what changes, for the page to renew."""
    if not request.user.has_perms(SEES_FIGURES):
        raise PermissionDenied
    now = clock.now()
    month, counts = progress.month_end(now=now), attention_rows.month_end_counts()
    steps = checklist(month, counts, now=now)
    context = {
        "title": "Month end",
        "now": now,
        "month_end": month,
        "steps": steps,
        "blocked_periods": counts["closes failed"] and attention_rows.blocked_periods()[:_SHOWN],
        "blocked_syncs": counts["syncs blocked"] and attention_rows.blocked_syncs()[:_SHOWN],
        "may_close": request.user.has_perm(MAY_CLOSE),
    }
    if "part" in request.GET:
        return render(request, "admin/finance/progress.html", context)
    context |= _record(request, month, steps, now=now)
    return _rendered(request, "admin/finance/month_end.html", context)


def _record(
    request: HttpRequest, month: progress.MonthEnd, steps: list[ChecklistItem], *, now: dt.datetime
) -> dict[str, Any]:
    """What the page says of the record of its month: a query, and two for sums."""
    record = month_records.signed_record_of(month.first_day)
    snapshot = _snapshot(month, steps)
    return {
        "record": record,
        "month_is_over": progress.month_boundary(now) <= now,
        "is_own": record is not None and record.signed_by.casefold() == _who(request).casefold(),
        "all_done": all(step.state == "done" for step in steps),
        "sums": _amounts(snapshot["sums"]),
        "seen": month_records.seen_of(snapshot),
    }


@require_POST
def sign(request: HttpRequest) -> HttpResponse:
    """Sign off the month that the month-end page is about."""
    if not request.user.has_perm(MAY_CLOSE):
        raise PermissionDenied
    now = clock.now()
    month = progress.month_end(now=now)
    if progress.month_boundary(now) > now:
        messages.error(request, f"{month.month} is not over yet.")
        return HttpResponseRedirect(reverse("finance:month_end"))
    try:
        record = month_records.sign_month(
            month=month.first_day,
            snapshot=_snapshot(month, _steps(month, now)),
            seen=request.POST.get("seen", ""),
            reason=request.POST.get("reason", "")[:_REASON],
            by=_who(request),
            now=now,
        )
    except BillingError as error:
        messages.error(request, error.detail)
    else:
        _log(request, record, ADDITION, "Signed off.")
        messages.success(request, f"{month.month} is signed off. Another person confirms it.")
    return HttpResponseRedirect(reverse("finance:month_end"))


@require_POST
def confirm(request: HttpRequest, month_record_id: UUID) -> HttpResponse:
    """Confirm what another person has signed off."""
    if not request.user.has_perm(MAY_CLOSE):
        raise PermissionDenied
    try:
        record = month_records.confirm_month(
            record_id=month_record_id,
            seen=request.POST.get("digest", ""),
            by=_who(request),
            now=clock.now(),
        )
    except NotFound as error:
        raise Http404(error.detail) from None
    except BillingError as error:
        messages.error(request, error.detail)
    else:
        _log(request, record, CHANGE, "Confirmed.")
        messages.success(request, f"{record.month:%B %Y} is closed by two people.")
    return HttpResponseRedirect(reverse("finance:month_record", args=[month_record_id]))


def record_page(request: HttpRequest, month_record_id: UUID) -> HttpResponse:
    """A record as it was signed, and what has changed since."""
    if not request.user.has_perms(SEES_FIGURES):
        raise PermissionDenied
    record = get_object_or_404(MonthRecord, pk=month_record_id)
    newest = month_records.signed_record_of(record.month)
    context = {
        "title": str(record),
        "record": record,
        "sums": _amounts(record.snapshot["sums"]),
        "newest": newest,
        "intact": month_records.digest_of(record.snapshot) == record.digest,
        "changes": month_records.changed_sums(record),
        "events": month_records.events_since(record, most=_EVENTS),
        "may_confirm": record == newest
        and not record.is_confirmed
        and request.user.has_perm(MAY_CLOSE)
        and record.signed_by.casefold() != _who(request).casefold(),
    }
    return _rendered(request, "admin/finance/month_record.html", context)


def records(request: HttpRequest) -> HttpResponse:
    """All records, latest month first."""
    if not request.user.has_perms(SEES_FIGURES):
        raise PermissionDenied
    rows = Paginator(MonthRecord.objects.defer("snapshot"), 50)
    context = {"title": "Records of months", "page": rows.get_page(request.GET.get("page"))}
    return _rendered(request, "admin/finance/month_records.html", context)


def _steps(month: progress.MonthEnd, now: dt.datetime) -> list[ChecklistItem]:
    return checklist(month, attention_rows.month_end_counts(), now=now)


def _snapshot(month: progress.MonthEnd, steps: list[ChecklistItem]) -> dict[str, Any]:
    told = [(step.title, step.state, step.detail) for step in steps]
    return month_records.snapshot_of(month.first_day, told)


def _amounts(sums: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sums of a snapshot as numbers again."""
    return [{**row, **{name: Decimal(row[name]) for name in month_records.SUMS}} for row in sums]


def _who(request: HttpRequest) -> str:
    return str(request.user.get_username())[:254]


def _log(request: HttpRequest, record: MonthRecord, flag: int, said: str) -> None:
    LogEntry.objects.log_actions(
        request.user.pk or 0, [record], flag, change_message=said, single_object=True
    )


def _rendered(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    return render(request, template, {**admin.site.each_context(request), **context})
