"""Middleware for requests that Django would answer otherwise than their senders expect."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase
from django.middleware.common import CommonMiddleware
from django.urls import resolve

_PROBES = ("/healthz", "/readyz", "/metrics")


class ProbesMiddleware:
    """Answers probes before anything asks for their host, or for HTTPS.

    Whoever watches a server speaks plain HTTP to its address, past the proxy.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path not in _PROBES:
            return self._get_response(request)
        request.resolver_match = match = resolve(request.path)
        return match.func(request)


class SlashForReadersMiddleware(CommonMiddleware):
    """Adds a missing slash by a redirect only where following it is safe.

    Most clients follow a redirected POST with a GET: usage sent to `/api/v1/usage` would be
    answered 200, with a list, and be lost.
    """

    def should_redirect_with_slash(self, request: HttpRequest) -> bool:
        return request.method in ("GET", "HEAD") and super().should_redirect_with_slash(request)
