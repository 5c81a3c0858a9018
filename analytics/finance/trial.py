"""The finance page "Trial close": what months would be billed, to be approved before they close."""

from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Case, Count, IntegerField, Value, When
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone as clock
from django.views.decorators.http import require_POST

from billing.api.fields import exact_uuid
from billing.decimals import NotExact
from billing.models import BillingPeriod
from billing.queue import BrokerUnavailable, enqueue_for_sure
from invoices.models import TrialInvoice
from invoices.services import trial_close

_SEES = ("billing.view_billingperiod", "invoices.view_invoice", "usage.view_usagerollup")
_MAY_APPROVE = "billing.change_billingperiod"
_SHOWN = 100
# What a person is to look at comes first.
_ORDER = ("gone", "new", "up", "down", "usual", "nothing")


def page(request: HttpRequest) -> HttpResponse:
    if not request.user.has_perms(_SEES):
        raise PermissionDenied
    trials = TrialInvoice.objects.filter(period__status=BillingPeriod.Status.CURRENT)
    kind = request.GET.get("kind", "")
    chosen = trials.filter(kind=kind) if kind in TrialInvoice.Kind.values else trials
    rank = Case(
        *(When(kind=name, then=Value(place)) for place, name in enumerate(_ORDER)),
        output_field=IntegerField(),
    )
    rows = chosen.select_related("period__workspace").order_by(
        "approved_at", rank, "period__workspace__name", "period__period_start"
    )
    counts = {
        row["kind"]: row
        for row in trials.order_by()
        .values("kind")
        .annotate(all=Count("pk"), approved=Count("approved_at"))
    }
    context: dict[str, Any] = {
        "title": "Trial close",
        "page": Paginator(rows, _SHOWN).get_page(request.GET.get("page")),
        "kinds": [
            (name, TrialInvoice.Kind(name).label, counts[name]) for name in _ORDER if name in counts
        ],
        "chosen": kind,
        "waiting": sum(row["all"] - row["approved"] for row in counts.values()),
        "may_approve": request.user.has_perm(_MAY_APPROVE),
    }
    return render(
        request, "admin/finance/trial.html", {**admin.site.each_context(request), **context}
    )


@require_POST
def start(request: HttpRequest) -> HttpResponse:
    """Try all that has ended, in the background."""
    if not request.user.has_perm(_MAY_APPROVE):
        raise PermissionDenied
    try:
        enqueue_for_sure("invoices.trial_close")
    except BrokerUnavailable as error:
        messages.error(request, f"The trial could not be started: {error.detail}")
    else:
        messages.success(request, "The trial has been started: look again in a moment.")
    return HttpResponseRedirect(reverse("finance:trial"))


@require_POST
def approve(request: HttpRequest) -> HttpResponse:
    """Approve the chosen ones, in the name of who is signed in."""
    if not request.user.has_perm(_MAY_APPROVE):
        raise PermissionDenied
    periods = trial_close.approve(
        period_ids=_ids(request.POST.getlist("period")),
        by=str(request.user.get_username())[:150],
        now=clock.now(),
    )
    if periods:
        LogEntry.objects.log_actions(
            request.user.pk or 0, periods, CHANGE, change_message="Approved its trial close."
        )
    messages.success(request, f"{len(periods)} approved. They close within the hour.")
    return HttpResponseRedirect(reverse("finance:trial"))


def _ids(texts: list[str]) -> list[UUID]:
    found = []
    for text in texts[:_SHOWN]:
        try:
            found.append(exact_uuid(text))
        except NotExact:
            continue  # nobody's: it approves nothing
    return found
