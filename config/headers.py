"""Headers of answers: what may be kept by whom, and the admin's content policy."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

# What a workspace spends is nobody's to find in a cache.
_PRIVATE = ("/api/v1/", "/admin/", "/w/")


class ResponseHeaders:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self._get_response(request)
        if request.path.startswith(_PRIVATE) and "Cache-Control" not in response:
            response["Cache-Control"] = "no-store"
        if request.path.startswith("/admin/"):
            response._csp_replace = settings.ADMIN_CONTENT_SECURITY_POLICY  # type: ignore[attr-defined]
        return response
