"""The same door for plain Django views: hot endpoints that cannot pay for REST framework."""

from collections.abc import Callable, Collection
from functools import wraps
from typing import Concatenate, ParamSpec, Protocol

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone as clock
from django.views.decorators.csrf import csrf_exempt

from billing.api.authentication import NotAuthenticated, key_of
from billing.api.permissions import MembersOnlyRead, require_scope
from billing.api.problems import error_response, problem_response
from billing.api.throttles import check_rate
from billing.models import ServiceKey, User

_P = ParamSpec("_P")


class AuthenticatedRequest(HttpRequest):
    """`auth` is the service key; without one, `user` is a signed-in member, reading."""

    auth: ServiceKey | None


class _View(Protocol[_P]):
    def __call__(
        self, request: HttpRequest, *args: _P.args, **kwargs: _P.kwargs
    ) -> HttpResponseBase: ...


def endpoint(
    *,
    method: str,
    scope: str | Collection[str],
    throttle_setting: str = "API_THROTTLE_PER_MINUTE",
) -> Callable[[Callable[Concatenate[AuthenticatedRequest, _P], HttpResponseBase]], _View[_P]]:
    """Wrap a view that takes one method and callers with `scope` (any one of several).

    Authenticates, throttles and answers every error as a problem. Each `throttle_setting` is
    counted apart. The view finds the key in `request.auth` and may use `billing.api.access`.
    """
    allowed = (method, "HEAD") if method == "GET" else (method,)

    def wrap(
        view: Callable[Concatenate[AuthenticatedRequest, _P], HttpResponseBase],
    ) -> _View[_P]:
        @csrf_exempt
        @wraps(view)
        def door(request: HttpRequest, *args: _P.args, **kwargs: _P.kwargs) -> HttpResponseBase:
            if request.method not in allowed:
                return problem_response(
                    status=405,
                    code="method_not_allowed",
                    detail=f"Method {request.method} is not allowed here.",
                    headers={"Allow": ", ".join(allowed)},
                )
            try:
                caller = _authenticated(request, scope)
                limit = getattr(settings, throttle_setting)
                check_rate(caller, limit=limit, group=throttle_setting)
                return view(caller, *args, **kwargs)
            except Exception as error:
                response = error_response(error)
                if response is None:
                    raise
                return response

        return door

    return wrap


def _authenticated(request: HttpRequest, scope: str | Collection[str]) -> AuthenticatedRequest:
    key = key_of(request, now=clock.now())
    if key is not None:
        return authorized(request, key, scope)
    if not isinstance(request.user, User) or not request.user.is_active:
        raise NotAuthenticated("Send a service key: Authorization: Bearer <key>.")
    if request.method not in ("GET", "HEAD"):
        raise MembersOnlyRead("A signed-in member may read; changes need a service key.")
    request.auth = None  # type: ignore[attr-defined]
    return request  # type: ignore[return-value]


def authorized(
    request: HttpRequest, key: ServiceKey, scope: str | Collection[str]
) -> AuthenticatedRequest:
    """The request of a service with its key; raises `MissingScope` where that is not enough."""
    require_scope(key, scope)
    request.user = AnonymousUser()
    request.auth = key  # type: ignore[attr-defined]
    return request  # type: ignore[return-value]
