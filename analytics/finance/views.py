"""Views of the finance pages inside the admin."""

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone as clock
from django.views.decorators.http import require_POST

from analytics.finance import (
    attention,
    attention_rows,
    costs,
    figures,
    progress,
    trends,
    waiting_work,
)
from analytics.reports import REPORTS
from billing.admin.bulk import previewed
from billing.errors import BillingError, NotFound
from billing.models import BillingPeriod, DurableWork
from billing.queue import BrokerUnavailable, enqueue_for_sure
from billing.recorded_rates import rates_of_records
from billing.services.price_rows import in_words
from billing.services.staff import SEES_FIGURES

MAY_CLOSE = "billing.change_billingperiod"


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What the admin's first page shows besides its frame; nothing to those without the rights."""
    if not request.user.has_perms(SEES_FIGURES):
        return context
    now = clock.now()
    overview, moment = figures.overview(now=now), attention_rows.Moment.at(now)
    return {
        **context,
        "title": "Finance",
        "now": now,
        "overview": overview,
        "trends": trends.trends(now=now, currencies=[month.currency for month in overview.months]),
        "more_margins": [
            (report.title, report.url())
            for key, report in REPORTS.items()
            if key.startswith("margin-by-") or key in ("revenue", "top-customers")
        ],
        "overdue": figures.overdue(overview.months),
        "attention": attention.attention_items(moment),
        "blocked_periods": moment.counts["closes failed"]
        and attention_rows.blocked_periods()[: attention.SHOWN],
        "blocked_syncs": moment.blocked_syncs and attention_rows.blocked_syncs()[: attention.SHOWN],
        "overdue_invoices": moment.counts["overdue"]
        and attention_rows.overdue_invoices()[: attention.SHOWN],
        "reconciliation": attention_rows.last_reconciliation(),
        "month_end": progress.month_end(now=now),
        "next_month_end": progress.next_month_end(now=now),
        "may_close": request.user.has_perm(MAY_CLOSE),
        "may_reconcile": request.user.has_perm("payments.change_reconciliationrun"),
    }


def costs_and_margins(request: HttpRequest) -> HttpResponse:
    """Costs that differ from the cost card, and what was sold below its rate's least margin."""
    if not request.user.has_perms(SEES_FIGURES):
        raise PermissionDenied
    now = clock.now()
    return render(
        request,
        "admin/finance/costs.html",
        {
            **admin.site.each_context(request),
            "title": "Costs and margins",
            "drifts": costs.drifts(now=now),
            "low_sales": costs.low_sales(now=now),
        },
    )


def low_records(request: HttpRequest, period_id: UUID, rate_id: UUID) -> HttpResponse:
    """The newest records of a period that were sold below the least margin of a rate."""
    if not request.user.has_perms(SEES_FIGURES):
        raise PermissionDenied
    period = BillingPeriod.objects.select_related("workspace").filter(pk=period_id).first()
    rate = rates_of_records([rate_id]).get(rate_id)
    if period is None or rate is None or rate.min_margin_percentage is None:
        raise Http404
    asked = request.GET
    try:
        agent_id = UUID(asked["agent"]) if asked.get("agent") else None
    except ValueError:
        raise Http404 from None
    records = costs.records_sold_low(
        period=period,
        rate_id=rate_id,
        least_margin=rate.min_margin_percentage,
        resource_type=asked.get("resource_type", ""),
        provider=asked.get("provider", ""),
        model=asked.get("model", ""),
        agent_id=agent_id,
    )
    return render(
        request,
        "admin/finance/low_records.html",
        {
            **admin.site.each_context(request),
            "title": "Sold below the least margin",
            "period": period,
            "rate": rate,
            "price": in_words(rate.price, rate.currency),
            "least_share": rate.min_margin_percentage / 100,
            "records": list(records),
        },
    )


@require_POST
def start_month_end(request: HttpRequest) -> HttpResponse:
    """Close what is due now instead of at the next full hour; with `retry`, failed ones too."""
    if not request.user.has_perm(MAY_CLOSE):
        raise PermissionDenied
    start(request, "The month end", "invoices.finalize_due_periods", "retry" in request.POST)
    return HttpResponseRedirect(reverse("finance:month_end"))


@require_POST
def start_reconciliation(request: HttpRequest) -> HttpResponse:
    if not request.user.has_perm("payments.change_reconciliationrun"):
        raise PermissionDenied
    start(request, "The comparison with Stripe", "payments.reconcile")
    return HttpResponseRedirect(reverse("admin:payments_reconciliationrun_changelist"))


def start(request: HttpRequest, what: str, task: str, *args: object) -> None:
    try:
        enqueue_for_sure(task, *args)
    except BrokerUnavailable as error:
        messages.error(request, f"{what} could not be started: {error.detail}")
    else:
        messages.success(request, f"{what} has been started.")


def waiting_work_list(request: HttpRequest) -> HttpResponse:
    """Durable work of every kind that is not finished; `?show=all` with what is only in line."""
    shown = waiting_work.shown_kinds(request)
    if not shown:
        raise PermissionDenied
    everything = request.GET.get("show") == "all"
    which = Q() if everything else waiting_work.STUCK
    chosen = request.GET.get("kind", "")
    only = {chosen: shown[chosen]} if chosen in shown else shown
    page = Paginator(waiting_work.unfinished(only, which), 50).get_page(request.GET.get("page"))
    counts = waiting_work.counts(shown, which)
    lines = waiting_work.lines(request, only, list(page.object_list))
    context = {
        "title": "Waiting work",
        "now": clock.now(),
        "page": page,
        "lines": lines,
        "may_act": any(line.may_act for line in lines),
        "kinds": [
            (label, kind.model._meta.verbose_name_plural, counts[label])
            for label, kind in shown.items()
        ],
        "chosen": chosen if chosen in shown else "",
        "everything": everything,
        "total": sum(counts.values()),
    }
    return render(
        request, "admin/finance/waiting_work.html", {**admin.site.each_context(request), **context}
    )


@require_POST
def act_on_work(request: HttpRequest, work_kind: str, work_id: UUID, act: str) -> HttpResponse:
    """Try a piece of work again at once, or give it up."""
    try:
        kind = waiting_work.kind_to_change(request, work_kind)
        if act == "try-again":
            kind.try_again(work_id, clock.now())
            said = waiting_work.TRIED
        else:
            kind.give_up(work_id, clock.now())
            said = waiting_work.GIVEN_UP
    except NotFound as error:
        raise Http404(error.detail) from None
    except BillingError as error:
        messages.error(request, error.detail)
    else:
        row = kind.model.with_subjects().get(pk=work_id)
        _log(request, row, said)
        messages.success(request, f"{row.about()[0]}: {said}")
    return HttpResponseRedirect(reverse("finance:waiting_work"))


@require_POST
def act_on_chosen_work(request: HttpRequest) -> HttpResponse:
    """Try several pieces of work again, or give them up, once their page is confirmed."""
    gives_up = request.POST.get("act") == "give-up"
    try:
        rows = waiting_work.chosen(request, request.POST.getlist("work"))
    except NotFound as error:
        raise Http404(error.detail) from None
    answer = previewed(
        request,
        rows,
        outlook=waiting_work.given_up if gives_up else waiting_work.tried,
        carry_out=partial(waiting_work.carry_out, gives_up=gives_up, now=clock.now()),
        done_by=_attempt,
        title="Give these up?" if gives_up else "Try these again?",
        text="Nobody tries them again."
        if gives_up
        else "Each is tried at once, from the step it had come to. Nothing is done twice.",
        submit="Never try them again" if gives_up else "Try again",
        box="work",
        hidden=[("act", "give-up" if gives_up else "try-again")],
        key_of=waiting_work.key_of,
    )
    return answer or HttpResponseRedirect(reverse("finance:waiting_work"))


def _attempt(
    request: HttpRequest, row: DurableWork, service: Callable[[], str], *, quiet: bool
) -> bool:
    subject = row.about()[0]
    try:
        said = service()
    except BillingError as error:
        messages.error(request, f"{subject}: {error.detail}")
        return False
    if not quiet:
        messages.success(request, f"{subject}: {said}")
    _log(request, row, said)
    return True


def _log(request: HttpRequest, row: DurableWork, said: str) -> None:
    LogEntry.objects.log_actions(
        request.user.pk or 0, [row], CHANGE, change_message=said, single_object=True
    )
