"""The page of one's own account, and the workspaces that one is in."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone as clock
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from billing.access import find_membership, memberships_of, named_like
from billing.account_forms import AccountForm, MailsForm, NewPasswordForm
from billing.account_pages import own_user
from billing.errors import Invalid
from billing.forms import add_refusal
from billing.languages import active_language, habits, in_language
from billing.models import Passkey, User
from billing.services import passkeys
from billing.services import second_factor as factors
from billing.services.accounts import choose_mails, update_account

# Rows of a page; of more, one looks for a name.
_MAILS_SHOWN, _WORKSPACES_SHOWN = 10, 200


@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
@never_cache
@login_required
def account(request: HttpRequest) -> HttpResponse:
    """Everything of one's own: who one is, how pages are shown, mails, and how one signs in."""
    user = own_user(request)
    sent = request.POST.get("form")
    details = AccountForm(request.POST if sent == "details" else None, instance=user)
    password = NewPasswordForm(user, request.POST if sent == "password" else None)
    if sent == "details" and details.is_valid() and _saved(user, details):
        with in_language(user.language or active_language()):
            messages.success(request, _("Your account is saved."))
        return redirect("billing:account")
    if sent == "password" and password.is_valid():
        password.save()
        update_session_auth_hash(request, user)
        factors.end_other_sessions(user=user, kept=request.session.session_key)
        messages.success(
            request, _("Your password is changed. Wherever else you were signed in, you are out.")
        )
        return redirect("billing:account")
    # A form may have put into it what was refused; the rest of the page shows what is kept.
    user.refresh_from_db()
    context = {
        "details": details,
        "password": password,
        **_mails(request, user),
        **_ways_in(request, user),
    }
    status = 422 if details.errors or password.errors else 200
    return render(request, "billing/account.html", context, status=status)


def _saved(user: User, form: AccountForm) -> bool:
    try:
        update_account(
            user=user, changes={name: form.cleaned_data[name] for name in form.changed_data}
        )
    except Invalid as refusal:
        add_refusal(form, refusal)
        return False
    return True


def _mails(request: HttpRequest, user: User) -> dict[str, Any]:
    """Of the workspaces that one is in."""
    members = memberships_of(user)
    text = request.GET.get("q", "")[:100]
    found = named_like(members, text)
    rows = [(each, MailsForm(member=each)) for each in found[:_MAILS_SHOWN]]
    return {"mails": rows, "members": len(members), "found": len(found), "q": text}


def _ways_in(request: HttpRequest, user: User) -> dict[str, Any]:
    sessions = [
        {
            "id": factors.public_id(session.session_key),
            "is_this": session.session_key == request.session.session_key,
            "session": session,
        }
        for session in factors.sessions_of(user, now=clock.now())
    ]
    return {
        "sessions": sessions,
        "clock": habits().time_zone or "UTC",
        "is_enrolled": factors.is_enrolled(user),
        "is_needed": factors.is_needed(user),
        "has_app": factors.has_app(user),
        "passkeys": Passkey.objects.filter(user=user).order_by("created_at"),
        "here": passkeys.site(),
        "codes_left": factors.remaining_codes(user),
    }


@require_POST
@login_required
def change_mails(request: HttpRequest, workspace_id: UUID) -> HttpResponse:
    """Which mails about one workspace this person gets."""
    member = find_membership(memberships_of(own_user(request)), workspace_id)
    form = MailsForm(request.POST, member=member)
    if form.is_valid():
        choose_mails(member=member, wanted=form.cleaned_data["mails"])
        name = member.workspace.name
        messages.success(request, _("Saved which mails you get about {name}.").format(name=name))
    else:
        messages.error(request, str(form.errors["mails"][0]))
    return redirect("billing:account")


@require_GET
@never_cache
@login_required
def workspaces(request: HttpRequest) -> HttpResponse:
    """All of one's workspaces, or those with a name like `q`; the only one like it is opened."""
    memberships = memberships_of(own_user(request))
    text = request.GET.get("q", "")[:100]
    found = named_like(memberships, text)
    if text.strip() and len(found) == 1:
        return redirect("analytics:dashboard", found[0].workspace_id)
    context = {"q": text, "found": found[:_WORKSPACES_SHOWN], "count": len(found)}
    return render(request, "billing/workspaces.html", context)
