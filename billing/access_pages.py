"""Pages of who gets into a workspace: its members, invitations and service keys."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.forms import SetPasswordForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone as clock
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from billing.access import WorkspaceRequest, render_page, require_owner, workspace_page
from billing.errors import BillingError
from billing.formats import word
from billing.forms import InviteForm, KeyForm, add_refusal
from billing.models import Invitation, ServiceKey, User, WorkspaceMember
from billing.services import invitations
from billing.services.keys import create_owners_key, revoke_key
from billing.services.members import remove_member, set_member

_SECTION = "settings"
_BACKEND = "billing.sign_in_backend.SignInBackend"


@require_http_methods(["GET", "POST"])
@workspace_page
def people(request: WorkspaceRequest) -> HttpResponse:
    """Who gets in, for all to see; owners invite others."""
    workspace, now = request.membership.workspace, clock.now()
    form = InviteForm(request.POST or None)
    if request.method == "POST":
        require_owner(request.membership)
        if form.is_valid():
            try:
                invited = invitations.invite(
                    workspace_id=workspace.pk,
                    invited_by=request.user,
                    now=now,
                    **form.cleaned_data,
                )
            except BillingError as refusal:
                add_refusal(form, refusal)
            else:
                messages.success(
                    request,
                    _("An invitation is on its way to {email}.").format(email=invited.email),
                )
                return redirect("billing:people", workspace.pk)
    context = {
        "form": form,
        "members": list(workspace.memberships.select_related("user").order_by("created_at", "pk")),
        "invitations": list(invitations.open_invitations(workspace.pk)),
        "roles": WorkspaceMember.Role.choices,
        "is_owner": request.membership.role == WorkspaceMember.Role.OWNER,
        "now": now,
    }
    status = 422 if form.errors else 200
    return render_page(request, "billing/people.html", context, section=_SECTION, status=status)


@require_POST
@workspace_page
def change_member(request: WorkspaceRequest, member_id: UUID) -> HttpResponse:
    """Another role, or none any more."""
    require_owner(request.membership)
    workspace = request.membership.workspace
    member = get_object_or_404(
        WorkspaceMember.objects.select_related("user", "workspace"),
        workspace=workspace,
        pk=member_id,
    )
    try:
        if request.POST.get("do") == "remove":
            remove_member(member=member)
            messages.success(
                request, _("{email} does not get in any more.").format(email=member.user.email)
            )
            if member.user_id == request.user.pk:
                return redirect("billing:home")
        elif request.POST.get("role") in WorkspaceMember.Role.values:
            role = request.POST["role"]
            member, _changed = set_member(workspace=workspace, email=member.user.email, role=role)
            told = _("{email} has a new role: {role}.").format(
                email=member.user.email, role=word(member.get_role_display())
            )
            messages.success(request, told)
    except BillingError as refusal:
        messages.error(request, refusal.detail)
    return redirect("billing:people", workspace.pk)


@require_POST
@workspace_page
def change_invitation(request: WorkspaceRequest, invitation_id: UUID) -> HttpResponse:
    """Sent again, or taken back."""
    require_owner(request.membership)
    workspace_id, now = request.membership.workspace_id, clock.now()
    get_object_or_404(Invitation, workspace_id=workspace_id, pk=invitation_id)
    try:
        if request.POST.get("do") == "cancel":
            taken = invitations.cancel(
                workspace_id=workspace_id, invitation_id=invitation_id, now=now
            )
            messages.success(
                request, _("The invitation of {email} is taken back.").format(email=taken.email)
            )
        else:
            sent = invitations.send_again(
                workspace_id=workspace_id, invitation_id=invitation_id, now=now
            )
            messages.success(
                request, _("A new link is on its way to {email}.").format(email=sent.email)
            )
    except BillingError as refusal:
        messages.error(request, refusal.detail)
    return redirect("billing:people", workspace_id)


@require_http_methods(["GET", "POST"])
@workspace_page
def keys(request: WorkspaceRequest) -> HttpResponse:
    """The keys of the workspace's own programs. A new one is shown in this answer only."""
    require_owner(request.membership)
    workspace, now = request.membership.workspace, clock.now()
    form = KeyForm(request.POST or None)
    made: ServiceKey | None = None
    secret = ""
    if request.method == "POST" and form.is_valid():
        facts = form.cleaned_data
        try:
            made, secret = create_owners_key(
                workspace_id=workspace.pk,
                name=facts["name"],
                scopes=facts["scopes"],
                expires_at=facts["lasts"],
                now=now,
            )
            form = KeyForm()
        except BillingError as refusal:
            add_refusal(form, refusal)
    context = {
        "form": form,
        "made": made,
        "secret": secret,
        "keys": list(ServiceKey.objects.filter(workspace=workspace, by_owner=True)),
        "now": now,
    }
    status = 422 if form.errors else 200
    return render_page(request, "billing/keys.html", context, section=_SECTION, status=status)


@require_POST
@workspace_page
def revoke(request: WorkspaceRequest, key_id: UUID) -> HttpResponse:
    require_owner(request.membership)
    workspace = request.membership.workspace
    key = get_object_or_404(ServiceKey, workspace=workspace, by_owner=True, pk=key_id)
    revoke_key(key=key, now=clock.now())
    messages.success(
        request, _("{name} is revoked: it is refused within seconds.").format(name=key.name)
    )
    return redirect("billing:keys", workspace.pk)


@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
@never_cache
def accept_invitation(request: HttpRequest, invitation_id: UUID, token: str) -> HttpResponse:
    """Where an invitation's link leads: to join, after signing in or with a first password."""
    now = clock.now()
    try:
        invitation = invitations.find_open(invitation_id=invitation_id, token=token, now=now)
    except BillingError:
        return render(request, "billing/invitation_dead.html", status=404)
    user = request.user if isinstance(request.user, User) else None
    known = User.objects.filter(email__iexact=invitation.email).first()
    form: forms.Form | None = None
    if user is None and (known is None or not known.has_usable_password()):
        form = SetPasswordForm(known or User(email=invitation.email), request.POST or None)
    context: dict[str, Any] = {"invitation": invitation, "form": form}
    context["is_other"] = user is not None and user != known
    if request.method == "POST" and (form is None or form.is_valid()):
        password = form.cleaned_data["new_password1"] if form else ""
        try:
            member = invitations.accept(
                invitation_id=invitation_id, token=token, user=user, password=password, now=now
            )
        except invitations.NotTheInvited:
            return render(request, "billing/invitation.html", context, status=409)
        except BillingError:
            return render(request, "billing/invitation_dead.html", status=404)
        if user is None:
            login(request, member.user, backend=_BACKEND)
        messages.success(request, _("Welcome to {name}.").format(name=invitation.workspace.name))
        return redirect("analytics:dashboard", member.workspace_id)
    status = 422 if form is not None and form.errors else 200
    return render(request, "billing/invitation.html", context, status=status)
