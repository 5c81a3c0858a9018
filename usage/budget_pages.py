"""Pages of a workspace's budgets: how they stand, one made or changed, one removed."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone as clock
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from billing.access import (
    WorkspaceRequest,
    render_page,
    require_settings_right,
    workspace_page,
)
from billing.errors import BillingError
from usage.budget_cards import budget_cards, level_name
from usage.budget_forms import BudgetForm
from usage.models import Budget, BudgetEvent, BudgetOptOut
from usage.queries.budgets import budgets_with_parts
from usage.services.budget_opt_outs import opt_outs
from usage.services.budget_tests import last_tests, send_test
from usage.services.budgets import (
    SavedBudget,
    create_budget,
    last_deliveries,
    remove_budget,
    update_budget,
)

_SECTION = "settings"
_EVENTS_SHOWN = 20


@require_GET
@workspace_page
def budgets(request: WorkspaceRequest) -> HttpResponse:
    return _page(request)


def _page(request: WorkspaceRequest, saved: SavedBudget | None = None) -> HttpResponse:
    workspace = request.membership.workspace
    rows = list(budgets_with_parts().filter(workspace=workspace))
    cards = budget_cards(
        rows, now=clock.now(), deliveries=last_deliveries(rows), tests=last_tests(rows)
    )
    events = BudgetEvent.objects.filter(workspace=workspace).select_related("budget")
    context: dict[str, Any] = {
        "cards": cards,
        "events": [(event, level_name(event.percentage)) for event in events[:_EVENTS_SHOWN]],
        "saved": saved,
        "opt_outs": _opted_out(workspace.pk, rows),
    }
    return render_page(request, "usage/budgets.html", context, section=_SECTION)


def _opted_out(workspace_id: UUID, budgets: Sequence[Budget]) -> list[BudgetOptOut]:
    """Of the addresses that budgets name those that want no mails."""
    named = [
        each.email for budget in budgets for each in budget.recipients.all() if not each.member_id
    ]
    return list(opt_outs(workspace_id, named)) if named else []


@require_http_methods(["GET", "POST"])
@workspace_page
def new_budget(request: WorkspaceRequest) -> HttpResponse:
    return _form_page(request, None)


@require_http_methods(["GET", "POST"])
@workspace_page
def budget(request: WorkspaceRequest, budget_id: UUID) -> HttpResponse:
    return _form_page(request, _found(request, budget_id))


def _found(request: WorkspaceRequest, budget_id: UUID) -> Budget:
    workspace_id = request.membership.workspace_id
    found = budgets_with_parts().filter(workspace=workspace_id, pk=budget_id).first()
    if found is None:
        raise Http404("This workspace has no such budget.")
    return found


def _form_page(request: WorkspaceRequest, stored: Budget | None) -> HttpResponse:
    workspace = request.membership.workspace
    if request.method == "POST" or stored is None:
        require_settings_right(request.membership)
    form = BudgetForm(request.POST or None, workspace=workspace, budget=stored)
    if request.method == "POST" and form.is_valid():
        now = clock.now()
        try:
            if stored is None:
                saved = create_budget(workspace_id=workspace.pk, facts=form.facts, now=now)
            else:
                saved = update_budget(
                    workspace_id=workspace.pk, budget_id=stored.pk, changes=form.facts, now=now
                )
        except BillingError as refusal:
            form.add_refusal(refusal)
        else:
            if saved.secret:
                # Shown in this answer and never again, so it is one without a redirect.
                return _page(request, saved)
            messages.success(
                request, _("The budget “{name}” is saved.").format(name=saved.budget.name)
            )
            return redirect("usage:budgets", workspace.pk)
    context = {"form": form, "budget": stored}
    status = 422 if form.errors else 200
    return render_page(request, "usage/budget.html", context, section=_SECTION, status=status)


@require_POST
@workspace_page
def test(request: WorkspaceRequest, budget_id: UUID) -> HttpResponse:
    """Send its webhook a test, and say how that went."""
    require_settings_right(request.membership)
    found = _found(request, budget_id)
    try:
        sent = send_test(
            workspace_id=found.workspace_id,
            budget_id=found.pk,
            asked_by=request.user.email,
            now=clock.now(),
        )
    except BillingError as refusal:
        messages.error(request, refusal.detail)
    else:
        if sent.is_delivered:
            said = _("The test arrived: {host} took it.").format(host=sent.host)
            messages.success(request, said)
        else:
            said = _("The test did not arrive at {host}: {error}")
            messages.error(request, said.format(host=sent.host, error=sent.error))
    return redirect("usage:budgets", found.workspace_id)


@require_POST
@workspace_page
def remove(request: WorkspaceRequest, budget_id: UUID) -> HttpResponse:
    require_settings_right(request.membership)
    found = _found(request, budget_id)
    remove_budget(workspace_id=request.membership.workspace_id, budget_id=found.pk, now=clock.now())
    messages.success(request, _("The budget “{name}” is removed.").format(name=found.name))
    return redirect("usage:budgets", request.membership.workspace_id)
