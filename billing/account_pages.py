"""Pages of getting into one's own account: the second factor, and ending sessions."""

from collections.abc import Callable
from typing import Any

import django_otp
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone as clock
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST
from django_otp.models import Device

from billing.account_forms import CodeForm, PasskeyForm
from billing.errors import BillingError
from billing.models import Passkey, Session, User
from billing.second_factor import PENDING
from billing.services import passkeys
from billing.services import second_factor as factors

# In a session: the challenge of the page that asks for a passkey, and of the one that makes one.
_ASKED, _MADE = "passkey_asked", "passkey_made"


def own_user(request: HttpRequest) -> User:
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


def _verified(request: HttpRequest, device: Device) -> None:
    request.session.cycle_key()
    request.session.pop(PENDING, None)
    django_otp.login(request, device)


@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
@never_cache
@login_required
def second_factor(request: HttpRequest) -> HttpResponse:
    """Asks for the code, or for a passkey, after the password."""
    user: Any = request.user
    if user.is_verified() or not request.session.get(PENDING):
        return redirect(_next(request))
    is_by_passkey = "answer" in request.POST
    form = CodeForm(request.POST if request.method == "POST" and not is_by_passkey else None)
    refused = ""
    if is_by_passkey or form.is_valid():
        try:
            if is_by_passkey:
                device = passkeys.verify(user=own_user(request), **_answer(request, _ASKED))
            else:
                device = factors.verify(user=own_user(request), token=form.cleaned_data["token"])
        except BillingError as refusal:
            if is_by_passkey:
                refused = refusal.detail
            else:
                form.add_error("token", refusal.detail)
        else:
            _verified(request, device)
            return redirect(_next(request))
    context = {
        "form": form,
        "refused": refused,
        "has_app": factors.has_app(own_user(request)),
        "next": _next(request),
        **_passkey_context(request, passkeys.to_ask(user=own_user(request)), _ASKED),
    }
    status = 422 if form.errors or refused else 200
    return render(request, "billing/second_factor.html", context, status=status)


@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
@never_cache
@login_required
def enrol(request: HttpRequest) -> HttpResponse:
    """Sets up an app or a passkey, gives new recovery codes, or takes the app away."""
    user, now_verified = own_user(request), bool(request.user.is_verified())  # type: ignore[union-attr]
    if factors.is_enrolled(user) and not now_verified:
        request.session[PENDING] = True
        return redirect("billing:second-factor")
    doing = request.POST.get("do", "confirm") if request.method == "POST" else ""
    if doing == "codes" and now_verified:
        return _shown_codes(request, factors.new_recovery_codes(user=user, now=clock.now()))
    if doing == "remove" and now_verified:
        return _removed(
            request,
            lambda: factors.remove_app(user=user, now=clock.now()),
            _("The app is taken away."),
        )
    form = CodeForm(request.POST if doing == "confirm" else None)
    passkey_form = PasskeyForm(request.POST if doing == "passkey" else None)
    if doing == "confirm" and form.is_valid():
        try:
            device, codes = factors.confirm_enrolment(
                user=user, token=form.cleaned_data["token"], now=clock.now()
            )
        except BillingError as refusal:
            form.add_error("token", refusal.detail)
        else:
            return _enrolled(request, device, codes)
    if doing == "passkey" and passkey_form.is_valid():
        name = passkey_form.cleaned_data["name"]
        try:
            passkey = passkeys.add(user=user, name=name, **_answer(request, _MADE))
        except BillingError as refusal:
            passkey_form.add_error("name" if refusal.field == "name" else None, refusal.detail)
        else:
            return _enrolled(request, passkey, factors.first_recovery_codes(user=user))
    here = passkeys.site()
    context = {
        "form": form,
        "passkey_form": passkey_form,
        "enrolment": factors.begin_enrolment(user=user),
        "is_needed": factors.is_needed(user),
        "is_anew": now_verified,
        "next": _next(request),
        **_passkey_context(request, passkeys.to_make(user=user) if here else None, _MADE),
    }
    status = 422 if form.errors or passkey_form.errors else 200
    return render(request, "billing/enrol.html", context, status=status)


def _passkey_context(
    request: HttpRequest, options: dict[str, Any] | None, purpose: str
) -> dict[str, Any]:
    """What a page asks of the browser; its challenge is noted in the session.

    At another address of ours than `SITE_URL` no browser would answer: the page says where.
    """
    here = passkeys.site()
    if here is None or options is None:
        return {"passkey_options": None}
    if request.get_host() != here.origin.partition("://")[2]:
        return {"passkey_options": None, "passkeys_elsewhere": here.origin}
    request.session[purpose] = passkeys.challenge_in(options, now=clock.now())
    return {"passkey_options": options}


def _answer(request: HttpRequest, purpose: str) -> dict[str, Any]:
    """What the browser has made or signed, with the challenge that is used up by it."""
    session: Any = request.session
    return {
        "answer": request.POST.get("answer", ""),
        "kept": session.take(purpose),
        "now": clock.now(),
    }


def _enrolled(request: HttpRequest, device: Device, codes: list[str]) -> HttpResponse:
    """Verified by what was just set up; every other session has to sign in again."""
    _verified(request, device)
    factors.end_other_sessions(user=own_user(request), kept=request.session.session_key)
    if codes:
        return _shown_codes(request, codes)
    messages.success(request, _("The passkey “{name}” is kept.").format(name=device.name))
    return redirect("billing:account")


def _removed(
    request: HttpRequest, remove: Callable[[], Device | None], success: str
) -> HttpResponse:
    """This session stays, verified by what is left; others may rest on what is gone."""
    try:
        left = remove()
    except BillingError as refusal:
        messages.error(request, refusal.detail)
    else:
        if left is not None:
            django_otp.login(request, left)
        factors.end_other_sessions(user=own_user(request), kept=request.session.session_key)
        messages.success(request, success)
    return redirect("billing:account")


def _shown_codes(request: HttpRequest, codes: list[str]) -> HttpResponse:
    """Only this answer has them."""
    return render(request, "billing/recovery_codes.html", {"codes": codes, "next": _next(request)})


@require_POST
@login_required
def change_passkey(request: HttpRequest, passkey_id: int) -> HttpResponse:
    """Rename or remove one of one's own."""
    passkey = get_object_or_404(Passkey, pk=passkey_id, user=own_user(request))
    if request.POST.get("do") == "remove":
        said = _("The passkey “{name}” is removed. Remove it on its device too.").format(
            name=passkey.name
        )
        return _removed(
            request,
            lambda: factors.remove_passkey(
                user=own_user(request), passkey=passkey, now=clock.now()
            ),
            said,
        )
    form = PasskeyForm(request.POST)
    try:
        if form.is_valid():
            passkeys.rename(passkey=passkey, name=form.cleaned_data["name"])
            messages.success(request, _("It is called “{name}” now.").format(name=passkey.name))
        else:
            messages.error(request, str(form.errors["name"][0]))
    except BillingError as refusal:
        messages.error(request, refusal.detail)
    return redirect("billing:account")


@require_POST
@login_required
def end_sessions(request: HttpRequest) -> HttpResponse:
    """End one session of one's own, or all but this one."""
    user, this = own_user(request), request.session.session_key
    if request.POST.get("session") == "others":
        ended = factors.end_other_sessions(user=user, kept=this)
        messages.success(
            request,
            ngettext("{n} other session ended.", "{n} other sessions ended.", ended).format(
                n=ended
            ),
        )
        return redirect("billing:account")
    for session in Session.objects.filter(user=user):
        if factors.public_id(session.session_key) == request.POST.get("session"):
            session.delete()
            messages.success(request, _("That session is ended."))
    return redirect("billing:account")
