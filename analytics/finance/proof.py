"""Finance's page of the proof: the last run, and one to start."""

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone as clock
from django.views.decorators.http import require_POST

from analytics.finance.views import start
from billing.services.staff import SEES_FIGURES
from invoices.payments.models import ProofRun
from invoices.payments.services.proof import STEPS, last_run

_MAY_PROVE = "payments.change_reconciliationrun"


def page(request: HttpRequest) -> HttpResponse:
    """Each step of the last run, and what did not agree."""
    if not request.user.has_perms(SEES_FIGURES):
        raise PermissionDenied
    last = last_run()
    newest = ProofRun.objects.order_by("-started_at").first()
    return render(
        request,
        "admin/finance/proof.html",
        {
            **admin.site.each_context(request),
            "title": "Proof",
            "now": clock.now(),
            "last": last,
            "under_way": newest if newest and newest.finished_at is None else None,
            "runs": ProofRun.objects.filter(finished_at__isnull=False)[:10],
            "steps": STEPS,
            "may_prove": request.user.has_perm(_MAY_PROVE),
        },
    )


@require_POST
def start_proof(request: HttpRequest) -> HttpResponse:
    if not request.user.has_perm(_MAY_PROVE):
        raise PermissionDenied
    start(request, "The proof", "payments.prove_ledger")
    return HttpResponseRedirect(reverse("finance:proof"))
