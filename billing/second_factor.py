"""Who is signed in only half: asked for the second factor, or to set one up, before anything else.

Also how long staff stay signed in.
"""

import datetime as dt
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth import logout
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone as clock

from billing.models import User
from billing.services.second_factor import is_enrolled, is_needed
from billing.services.sign_in import client_address
from billing.sessions import ADDRESS, BROWSER, SIGNED_IN_AT

# In a session: a second factor is set up and has not been given yet.
PENDING = "second_factor_pending"
STAFF_SESSION = dt.timedelta(hours=12)
_CLOCKS_DIFFER = dt.timedelta(minutes=5)


def note_sign_in(sender: object, request: HttpRequest, user: User, **kwargs: Any) -> None:
    """Receiver of `user_logged_in`: where and when, and whether a code is still to come."""
    now = clock.now()
    request.session[SIGNED_IN_AT] = now.isoformat()
    request.session[ADDRESS] = client_address(request)
    request.session[BROWSER] = request.headers.get("User-Agent", "")[:200]
    if is_enrolled(user):
        request.session[PENDING] = True
    if user.is_staff:
        request.session.set_expiry(now + STAFF_SESSION)


class SecondFactorMiddleware:
    """Comes after `django_otp`'s, which knows whether a session has given its code.

    A session with a password alone is worth nothing but the pages that ask for the rest; to the
    API it is nobody's.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if settings.SESSION_COOKIE_NAME not in request.COOKIES:
            return self._get_response(request)
        user: Any = request.user
        if not user.is_authenticated:
            return self._get_response(request)
        if user.is_staff and _is_too_old(request):
            logout(request)
            return self._get_response(request)
        page = _page_to_see_first(request, user)
        if page is None or request.path in (page, reverse("billing:logout"), "/admin/logout/"):
            return self._get_response(request)
        if request.path.startswith("/api/"):
            request.user = AnonymousUser()
            return self._get_response(request)
        if request.headers.get("HX-Request"):
            return redirect(page)
        return HttpResponseRedirect(f"{page}?{urlencode({'next': request.get_full_path()})}")


def _page_to_see_first(request: HttpRequest, user: Any) -> str | None:
    if user.is_verified():
        return None
    if request.session.get(PENDING):
        return reverse("billing:second-factor")
    if is_needed(user):
        return reverse("billing:enrol")
    return None


def _is_too_old(request: HttpRequest) -> bool:
    """A session begun before its person became staff lasts no longer either, nor does one that a
    clock which was ahead has begun."""
    begun = request.session.get(SIGNED_IN_AT)
    if begun is None:
        return True
    age = clock.now() - dt.datetime.fromisoformat(begun)
    return not -_CLOCKS_DIFFER <= age <= STAFF_SESSION
