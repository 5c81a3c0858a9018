"""Pages of signing in, of finding one's workspace, and of its settings."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import LoginView, LogoutView, PasswordResetConfirmView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from billing.access import (
    LAST_WORKSPACE,
    WorkspaceRequest,
    memberships_of,
    render_page,
    require_settings_right,
    workspace_page,
)
from billing.changes import entries_of, shown_entries
from billing.errors import Invalid
from billing.forms import BillingDetailsForm, ForgottenForm, LimitsForm, SignInForm
from billing.keyset import page_of
from billing.queue import enqueue
from billing.services.workspaces import update_billing_settings, update_workspace

sign_in = LoginView.as_view(
    template_name="billing/login.html",
    authentication_form=SignInForm,
    redirect_authenticated_user=True,
)
sign_out = LogoutView.as_view()
set_password = PasswordResetConfirmView.as_view(
    template_name="billing/set_password.html", success_url=reverse_lazy("billing:login")
)


@require_http_methods(["GET", "POST"])
def forgotten(request: HttpRequest) -> HttpResponse:
    """Says the same whether there is such an account or not, and takes as long."""
    form = ForgottenForm(request.POST or None)
    sent = request.method == "POST" and form.is_valid()
    if sent:
        enqueue("billing.mail_password_link", form.cleaned_data["email"])
    return render(request, "billing/forgotten.html", {"form": form, "sent": sent})


@require_GET
@login_required
def home(request: HttpRequest) -> HttpResponse:
    """To the workspace seen last, else the first; staff without one go to their admin."""
    memberships = memberships_of(request.user)  # type: ignore[arg-type]
    if not memberships:
        if request.user.is_staff:
            return redirect("admin:index")
        return render(request, "billing/no_workspace.html")
    ids = [str(membership.workspace_id) for membership in memberships]
    last = request.session.get(LAST_WORKSPACE)
    return redirect("analytics:dashboard", last if last in ids else ids[0])


@require_http_methods(["GET", "POST"])
@workspace_page
def settings(request: WorkspaceRequest) -> HttpResponse:
    workspace = request.membership.workspace
    sent = request.POST.get("form")
    if request.method == "POST":
        require_settings_right(request.membership)
    limits = LimitsForm(
        request.POST if sent == "limits" else None,
        instance=workspace.billing_settings,
        currency=workspace.currency,
    )
    details = BillingDetailsForm(request.POST if sent == "details" else None, instance=workspace)
    if sent == "limits" and _saved(limits, request):
        messages.success(request, "Limits saved.")
        return redirect("billing:settings", workspace.pk)
    if sent == "details" and _saved(details, request):
        messages.success(request, "Billing details saved. They appear on the next invoice.")
        return redirect("billing:settings", workspace.pk)
    workspace.refresh_from_db()
    context = {"limits": limits, "details": details, "terms": workspace.billing_settings}
    failed = limits.errors or details.errors
    return render_page(
        request, "billing/settings.html", context, section="settings", status=422 if failed else 200
    )


def _saved(form: LimitsForm | BillingDetailsForm, request: WorkspaceRequest) -> bool:
    """Hand what was changed to the service; what it refuses is shown at its field."""
    if not form.is_valid():
        return False
    change: Any = update_billing_settings if isinstance(form, LimitsForm) else update_workspace
    try:
        change(
            workspace_id=request.membership.workspace_id,
            changes={name: form.cleaned_data[name] for name in form.changed_data},
            now=timezone.now(),
        )
    except Invalid as refusal:
        form.add_error(refusal.field if refusal.field in form.fields else None, str(refusal))
        return False
    return True


@require_GET
@workspace_page
def changes(request: WorkspaceRequest) -> HttpResponse:
    """Who changed what in this workspace, newest first."""
    page = page_of(
        entries_of(request.membership.workspace_id),
        by="at",
        cursor=request.GET.get("cursor"),
        size=50,
    )
    context = {"page": page, "entries": list(shown_entries(list(page.rows)))}
    return render_page(request, "billing/changes.html", context, section="settings")
