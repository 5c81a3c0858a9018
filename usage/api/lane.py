"""The short way in for the endpoints that are asked for every call and every use.

Requests with a service key need no session, messages, CSRF token or page headers: the middleware
below serves the hot endpoints before all of that, which halves what one costs. The same views,
reached by the long way, answer the same.
"""

import re
from collections.abc import Callable
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import ResolverMatch, resolve

from usage.api import hot

GetResponse = Callable[[HttpRequest], HttpResponseBase]

_POSTS: dict[str, Callable[[HttpRequest], HttpResponseBase]] = {
    "/api/v1/usage/": hot.record_one,
    "/api/v1/usage/batch/": hot.record_batch,
    "/api/v1/calls/": hot.record_call,
    "/api/v1/calls/batch/": hot.record_call_batch,
}
_HEX = "[0-9a-f]"
_ADMISSION = re.compile(
    rf"/api/v1/workspaces/({_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}})/admission/"
)


class HotLane:
    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self._matches: dict[str, ResolverMatch] = {}

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if "HTTP_AUTHORIZATION" not in request.META:
            return self.get_response(request)
        path = request.path_info
        if request.method == "POST" and (view := _POSTS.get(path)) is not None:
            request.get_host()  # refuses a host that is not ours, as the long way does
            request.resolver_match = self._match(path, path)
            return _with_length(view(request))
        if request.method == "GET" and (found := _ADMISSION.fullmatch(path)) is not None:
            request.get_host()
            request.resolver_match = self._match("admission", path)
            return _with_length(hot.admission(request, workspace_id=UUID(found[1])))
        return self.get_response(request)

    def _match(self, name: str, path: str) -> ResolverMatch:
        """Which route this is, for the metrics; looked up once."""
        match = self._matches.get(name)
        if match is None:
            match = self._matches[name] = resolve(path)
        return match


def _with_length(response: HttpResponseBase) -> HttpResponseBase:
    """Says how long it is, so that the connection can be used again."""
    if isinstance(response, HttpResponse):
        response.headers.setdefault("Content-Length", str(len(response.content)))
    return response
