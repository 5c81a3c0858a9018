"""Permissions for REST framework: scopes of service keys, and read-only access for members."""

from typing import TYPE_CHECKING, Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from billing.api.callers import require_reading_member, require_scope
from billing.models import ServiceKey

if TYPE_CHECKING:  # its class body imports this module, by the settings
    from rest_framework.views import APIView


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
        require_reading_member(request.user, method)
        return True
