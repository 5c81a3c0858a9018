"""Middleware: answers that Django would make otherwise than their senders expect."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.conf import settings
from django.contrib.admin.utils import unquote
from django.core.exceptions import BadRequest, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.middleware.common import CommonMiddleware
from django.middleware.gzip import GZipMiddleware
from django.middleware.security import SecurityMiddleware
from django.urls import resolve

_PROBES = ("/healthz", "/readyz", "/metrics")
# What a workspace spends is nobody's to find in a cache.
_PRIVATE = ("/api/v1/", "/admin/", "/w/")
_PAGES = ("/admin/", "/w/")


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


class UnreadableAddressMiddleware:
    """Refuses addresses of pages that the database could not read, before it is asked."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        has_null = "\0" in request.path or "%00" in request.META["QUERY_STRING"]
        if has_null and not request.path.startswith("/api/"):
            raise BadRequest("PostgreSQL's texts hold no null character.")
        return self._get_response(request)

    def process_view(
        self,
        request: HttpRequest,
        view: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> None:
        """The admin looks rows up by what stands in the address, which may be no key at all."""
        admin = getattr(view, "model_admin", None)
        if admin is not None and "object_id" in kwargs:
            try:
                admin.opts.pk.to_python(unquote(kwargs["object_id"]))
            except ValidationError:
                raise Http404 from None


class SlashForReadersMiddleware(CommonMiddleware):
    """Adds a missing slash by a redirect only where following it is safe.

    Most clients follow a redirected POST with a GET: usage sent to `/api/v1/usage` would be
    answered 200, with a list, and be lost.
    """

    def should_redirect_with_slash(self, request: HttpRequest) -> bool:
        return request.method in ("GET", "HEAD") and super().should_redirect_with_slash(request)


class CompressPagesMiddleware(GZipMiddleware):
    """Packs the pages of owners and finance with gzip, and nothing else (ADR 47).

    Not what shows a secret once (answers to forms, pages of sign-in and account), not the API, and
    not files that stream, which are sent as they are made.
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> Any:
        is_page = response.headers.get("Content-Type", "").startswith("text/html")
        if response.streaming or not is_page:
            return response
        if request.method != "GET" or not request.path.startswith(_PAGES):
            return response
        return super().process_response(request, response)


class ResponseHeadersMiddleware:
    """What may be kept by whom, and the content policy of the admin."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self._get_response(request)
        if request.path.startswith(_PRIVATE) and "Cache-Control" not in response:
            response["Cache-Control"] = "no-store"
        if request.path.startswith("/admin/"):
            response._csp_replace = settings.ADMIN_CONTENT_SECURITY_POLICY  # type: ignore[attr-defined]
        return response


def common_headers() -> dict[str, str]:
    """What middleware adds to every answer of the API; where it depends on HTTPS, ours is HTTPS."""
    request = HttpRequest()
    scheme = "https" if settings.SECURE_SSL_REDIRECT else "http"
    request._get_scheme = lambda: scheme  # type: ignore[attr-defined]
    response = HttpResponse(headers={"Cache-Control": "no-store"})
    del response.headers["Content-Type"]
    SecurityMiddleware(lambda _: response).process_response(request, response)
    return dict(response.items())
