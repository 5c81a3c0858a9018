"""Scopes of service keys, and read-only access for members."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from billing.api.authentication import NotAuthenticated
from billing.errors import BillingError
from billing.models import ServiceKey

if TYPE_CHECKING:  # its class body imports this module, by the settings
    from rest_framework.views import APIView


class MissingScope(BillingError):
    status = 403
    code = "missing_scope"


class MembersOnlyRead(BillingError):
    status = 403
    code = "members_only_read"


def require_scope(key: ServiceKey, scopes: str | Collection[str]) -> None:
    """Raise `MissingScope` unless the key has the scope, or one of several."""
    wanted = (scopes,) if isinstance(scopes, str) else tuple(scopes)
    if not set(wanted) & set(key.scopes):
        raise MissingScope(f"The service key lacks the scope {' or '.join(wanted)}.")


class HasScope(BasePermission):
    """Keys need the view's scope for the method; members may read.

    Views say `required_scopes = {"GET": "usage:read", "POST": "usage:write"}`; a tuple means
    that any one of them is enough.
    """

    def has_permission(self, request: Request, view: "APIView") -> bool:
        method = "GET" if request.method == "HEAD" else str(request.method)
        name = method.lower()
        if name not in view.http_method_names or not hasattr(view, name):
            return True  # the view answers 405
        if isinstance(request.auth, ServiceKey):
            scopes: dict[str, Any] = getattr(view, "required_scopes", {})
            require_scope(request.auth, scopes[method])
            return True
        if not request.user or not request.user.is_authenticated:
            raise NotAuthenticated("Send a service key: Authorization: Bearer <key>.")
        if method not in SAFE_METHODS:
            raise MembersOnlyRead("A signed-in member may read; changes need a service key.")
        return True
