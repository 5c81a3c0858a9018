"""Pages of signing in, of finding one's workspace, and of its settings."""

import datetime as dt
from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import LoginView, LogoutView, PasswordResetConfirmView
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from billing.access import (
    LAST_WORKSPACE,
    WorkspaceRequest,
    memberships_of,
    render_page,
    require_settings_right,
    workspace_page,
)
from billing.account_forms import ForgottenForm, SignInForm
from billing.changes import entries_of, shown_entries
from billing.e_invoices import missing_details
from billing.errors import Invalid
from billing.exports import csv_response, csv_text
from billing.formats import money
from billing.forms import BillingDetailsForm, EInvoiceForm, LimitsForm, add_refusal
from billing.keyset import requested_page
from billing.money import ZERO
from billing.queries import active_period
from billing.queue import BrokerUnavailable, enqueue_for_sure
from billing.services.workspaces import update_billing_settings, update_workspace

_forms = require_http_methods(["GET", "POST"])
sign_in = _forms(
    LoginView.as_view(
        template_name="billing/login.html",
        authentication_form=SignInForm,
        redirect_authenticated_user=True,
    )
)
sign_out = LogoutView.as_view()
set_password = _forms(
    PasswordResetConfirmView.as_view(
        template_name="billing/set_password.html", success_url=reverse_lazy("billing:login")
    )
)


@require_http_methods(["GET", "POST"])
def forgotten(request: HttpRequest) -> HttpResponse:
    """Says the same whether there is such an account or not, and takes as long."""
    form = ForgottenForm(request.POST or None)
    sent = request.method == "POST" and form.is_valid()
    status = 200
    if sent:
        try:
            enqueue_for_sure("billing.mail_password_link", form.cleaned_data["email"])
        except BrokerUnavailable:
            form.add_error("email", _("We cannot take it just now. Try again in a minute."))
            sent, status = False, 503
    return render(request, "billing/forgotten.html", {"form": form, "sent": sent}, status=status)


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
    e_invoices = EInvoiceForm(request.POST if sent == "e-invoices" else None, instance=workspace)
    question = _question(limits, request) if sent == "limits" else ""
    followed: list[str] = []
    if sent == "limits" and not question and _saved(limits, request, followed):
        messages.success(request, " ".join([_("Limits saved."), *followed]))
        return redirect("billing:settings", workspace.pk)
    if sent == "details" and _saved(details, request):
        messages.success(request, _("Billing details saved. They appear on the next invoice."))
        return redirect("billing:settings", workspace.pk)
    if sent == "e-invoices" and _saved(e_invoices, request):
        messages.success(request, _("Saved. It holds for invoices from now on."))
        return redirect("billing:settings", workspace.pk)
    workspace.refresh_from_db()
    context = {
        "limits": limits,
        "details": details,
        "e_invoices": e_invoices,
        "e_invoice_lacks": [what for _, what in missing_details(workspace)],
        "terms": workspace.billing_settings,
        "question": question,
    }
    failed = limits.errors or details.errors or e_invoices.errors or question
    return render_page(
        request, "billing/settings.html", context, section="settings", status=422 if failed else 200
    )


def _question(form: LimitsForm, request: WorkspaceRequest) -> str:
    """What to ask before a limit is saved that stops everything at once; "" for nothing."""
    if not form.is_valid() or request.POST.get("confirmed"):
        return ""
    limit: Decimal | None = form.cleaned_data["usage_limit_monthly"]
    if limit is None or not {"usage_limit_monthly", "auto_pause_on_limit"} & {*form.changed_data}:
        return ""
    workspace = request.membership.workspace
    period: Any = active_period(workspace_id=workspace.pk, at=timezone.now())
    spent = period.live_subtotal if period is not None else ZERO
    if limit and limit > spent:
        return ""
    then = (
        _("live agents are paused at once and new calls are refused")
        if form.cleaned_data["auto_pause_on_limit"]
        else _("the owners are told at once")
    )
    if not limit:
        return _("A limit of 0 lets nothing be used: {then}.").format(then=then)
    currency = workspace.currency
    return _(
        "{spent} is spent this period already, and {limit} is not more than that: {then}."
    ).format(spent=money(spent, currency), limit=money(limit, currency), then=then)


def _saved(
    form: LimitsForm | BillingDetailsForm | EInvoiceForm,
    request: WorkspaceRequest,
    followed: list[str] | None = None,
) -> bool:
    """Hand what was changed to the service; what it refuses is shown at its field."""
    if not form.is_valid():
        return False
    changes = {name: form.cleaned_data[name] for name in form.changed_data}
    workspace_id, now = request.membership.workspace_id, timezone.now()
    try:
        if isinstance(form, LimitsForm):
            update_billing_settings(
                workspace_id=workspace_id, changes=changes, now=now, consequences=followed
            )
        else:
            update_workspace(workspace_id=workspace_id, changes=changes, now=now)
    except Invalid as refusal:
        add_refusal(form, refusal)
        return False
    return True


@require_GET
@workspace_page
def changes(request: WorkspaceRequest) -> HttpResponse:
    """Who changed what in this workspace, newest first."""
    entries = entries_of([request.membership.workspace_id])
    page = requested_page(request, entries, by="at", limit=50)
    context = {"page": page, "entries": list(shown_entries(list(page.rows)))}
    return render_page(request, "billing/changes.html", context, section="settings")


@require_GET
@workspace_page
def changes_csv(request: WorkspaceRequest) -> StreamingHttpResponse:
    """All of them, a line for each value that changed."""
    workspace = request.membership.workspace
    entries = entries_of([workspace.pk]).order_by("-at", "-id").iterator(chunk_size=1000)
    return csv_response(
        f"changes-{workspace.pk}.csv",
        ["When (UTC)", "Who", "What", "Changed", "From", "To"],
        (
            [
                f"{row.entry.at.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S}",
                *(csv_text(text) for text in (row.who, row.subject, change.name)),
                "" if row.entry.operation == "insert" else csv_text(change.before),
                "removed" if row.entry.operation == "delete" else csv_text(change.after),
            ]
            for row in shown_entries(entries)
            for change in row.changes
        ),
    )
