"""Pages of one's own account: the second factor, and where one is signed in."""

from typing import Any

import django_otp
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone as clock
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from billing.errors import BillingError
from billing.forms import CodeForm
from billing.models import Session, User
from billing.second_factor import PENDING
from billing.services import second_factor as factors


def _user(request: HttpRequest) -> User:
    """Who `login_required` has let in."""
    assert isinstance(request.user, User)
    return request.user


def _next(request: HttpRequest) -> str:
    """Where the person was going, on this site."""
    page = request.POST.get("next") or request.GET.get("next") or ""
    own = url_has_allowed_host_and_scheme(
        page, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return page if own else reverse("billing:home")


def _verified(request: HttpRequest, device: Any) -> None:
    request.session.cycle_key()
    request.session.pop(PENDING, None)
    django_otp.login(request, device)


@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
@never_cache
@login_required
def second_factor(request: HttpRequest) -> HttpResponse:
    """Asks for the code after the password."""
    user: Any = request.user
    if user.is_verified() or not request.session.get(PENDING):
        return redirect(_next(request))
    form = CodeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            device = factors.verify(user=_user(request), token=form.cleaned_data["token"])
        except BillingError as refusal:
            form.add_error("token", refusal.detail)
        else:
            _verified(request, device)
            return redirect(_next(request))
    context = {"form": form, "next": _next(request)}
    status = 422 if form.errors else 200
    return render(request, "billing/second_factor.html", context, status=status)


@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
@never_cache
@login_required
def enrol(request: HttpRequest) -> HttpResponse:
    """Sets up an app, gives new recovery codes, or takes the second factor away."""
    user, now_verified = _user(request), bool(request.user.is_verified())  # type: ignore[union-attr]
    if factors.is_enrolled(user) and not now_verified:
        return redirect("billing:second-factor")
    doing = request.POST.get("do", "confirm") if request.method == "POST" else ""
    if doing == "codes" and now_verified:
        return _shown_codes(request, factors.new_recovery_codes(user=user))
    if doing == "remove" and now_verified:
        if user.is_staff and settings.STAFF_SECOND_FACTOR:
            messages.error(request, "Staff need a second factor; you can set up another app.")
        else:
            factors.remove(user=user)
            messages.success(request, "The second factor is taken away.")
        return redirect("billing:account")
    form = CodeForm(request.POST if doing == "confirm" else None)
    if doing == "confirm" and form.is_valid():
        try:
            device, codes = factors.confirm_enrolment(user=user, token=form.cleaned_data["token"])
        except BillingError as refusal:
            form.add_error("token", refusal.detail)
        else:
            _verified(request, device)
            factors.end_other_sessions(user=user, kept=request.session.session_key)
            return _shown_codes(request, codes)
    context = {
        "form": form,
        "enrolment": factors.begin_enrolment(user=user),
        "is_needed": user.is_staff and settings.STAFF_SECOND_FACTOR,
        "is_anew": now_verified,
        "next": _next(request),
    }
    status = 422 if form.errors else 200
    return render(request, "billing/enrol.html", context, status=status)


def _shown_codes(request: HttpRequest, codes: list[str]) -> HttpResponse:
    """Only this answer has them."""
    return render(request, "billing/recovery_codes.html", {"codes": codes, "next": _next(request)})


@require_GET
@never_cache
@login_required
def account(request: HttpRequest) -> HttpResponse:
    user = _user(request)
    sessions = [
        {
            "id": factors.public_id(session.session_key),
            "is_this": session.session_key == request.session.session_key,
            "session": session,
        }
        for session in factors.sessions_of(user, now=clock.now())
    ]
    context = {
        "sessions": sessions,
        "is_enrolled": factors.is_enrolled(user),
        "is_needed": user.is_staff and settings.STAFF_SECOND_FACTOR,
        "codes_left": factors.remaining_codes(user),
    }
    return render(request, "billing/account.html", context)


@require_POST
@login_required
def end_sessions(request: HttpRequest) -> HttpResponse:
    """End one session of one's own, or all but this one."""
    user, this = _user(request), request.session.session_key
    if request.POST.get("session") == "others":
        ended = factors.end_other_sessions(user=user, kept=this)
        messages.success(request, f"{ended} other session{'' if ended == 1 else 's'} ended.")
        return redirect("billing:account")
    for session in Session.objects.filter(user=user):
        if factors.public_id(session.session_key) == request.POST.get("session"):
            session.delete()
            messages.success(request, "That session is ended.")
    return redirect("billing:account")
