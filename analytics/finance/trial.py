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

from analytics.finance.views import start
from billing.api.fields import exact_uuid
from billing.decimals import NotExact
from billing.models import BillingPeriod
from billing.services.staff import SEES_FIGURES
from invoices.models import TrialInvoice
from invoices.services import trial_close

_MAY_APPROVE = "billing.change_billingperiod"
_SHOWN = 100
# What a person is to look at comes first.
_ORDER = ("gone", "new", "up", "down", "usual", "nothing")


def page(request: HttpRequest) -> HttpResponse:
    if not request.user.has_perms(SEES_FIGURES):
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
def start_trial(request: HttpRequest) -> HttpResponse:
    """Try all that has ended, in the background."""
    if not request.user.has_perm(_MAY_APPROVE):
        raise PermissionDenied
    start(request, "The trial", "invoices.trial_close")
    return HttpResponseRedirect(reverse("finance:trial"))


@require_POST
def approve(request: HttpRequest) -> HttpResponse:
    """Approve the chosen ones, in the name of who is signed in."""
    if not request.user.has_perm(_MAY_APPROVE):
        raise PermissionDenied
    chosen = _seen(request.POST.getlist("trial"))
    periods = trial_close.approve(
        seen=chosen,
        by=str(request.user.get_username())[:150],
        now=clock.now(),
    )
    if periods:
        LogEntry.objects.log_actions(
            request.user.pk or 0, periods, CHANGE, change_message="Approved its trial close."
        )
    if periods:
        messages.success(request, f"{len(periods)} approved. They close within the hour.")
    if left := len(chosen) - len(periods):
        messages.warning(
            request, f"{left} not approved: tried again since you looked, or approved already."
        )
    return HttpResponseRedirect(reverse("finance:trial"))


def _seen(texts: list[str]) -> dict[UUID, str]:
    """The digest of each chosen period's trial, as the page showed it."""
    found = {}
    for text in texts[:_SHOWN]:
        period, _, digest = text.partition(" ")
        try:
            found[exact_uuid(period)] = digest
        except NotExact:
            continue  # nobody's: it approves nothing
    return found
