"""`/metrics` for Prometheus: how requests go, and what waits in the database.

Requests are counted in each process; with `PROMETHEUS_MULTIPROC_DIR` set, which our gunicorn
configuration does, the counts of all web processes are added up. `METRICS_COLLECTORS` add what
the apps know.
"""

import hmac
import os
import time
from collections.abc import Callable, Iterable
from ipaddress import ip_address

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseForbidden
from django.urls import path
from django.utils.module_loading import import_string
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Histogram,
    generate_latest,
    multiprocess,
)

REQUESTS = Histogram(
    "http_request_seconds",
    "Time to answer a request.",
    ["method", "route", "status"],
    buckets=(0.005, 0.02, 0.1, 0.5, 2.0, 10.0),
)
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}


class RequestMetrics:
    """Times every request by its route; unknown addresses share one, so that labels stay few."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        begin = time.perf_counter()
        response = self.get_response(request)
        method = request.method if request.method in _METHODS else "other"
        route = request.resolver_match.route if request.resolver_match else "unknown"
        counted = REQUESTS.labels(method, route, response.status_code)
        counted.observe(time.perf_counter() - begin)
        return response


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """For the machine itself where no proxy is, or with `Authorization: Bearer <METRICS_TOKEN>`."""
    if not (_has_token(request) or _is_local(request)):
        return HttpResponseForbidden("Send METRICS_TOKEN as a bearer token.\n", "text/plain")
    of_processes = REGISTRY
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        of_processes = CollectorRegistry()
        multiprocess.MultiProcessCollector(of_processes)  # type: ignore[no-untyped-call]
    of_apps = CollectorRegistry()
    for name in settings.METRICS_COLLECTORS:
        of_apps.register(import_string(name)())
    return HttpResponse(
        generate_latest(of_processes) + generate_latest(of_apps), content_type=CONTENT_TYPE_LATEST
    )


def _has_token(request: HttpRequest) -> bool:
    given = request.headers.get("Authorization", "")
    wanted = f"Bearer {settings.METRICS_TOKEN}"
    return bool(settings.METRICS_TOKEN) and hmac.compare_digest(given.encode(), wanted.encode())


def _is_local(request: HttpRequest) -> bool:
    """Whether it was sent on this machine; what a proxy passes on comes from somewhere else, and
    some proxies do not say that they pass it on."""
    if settings.BEHIND_PROXY:
        return False
    passed_on: Iterable[str] = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")
    if any(name in request.headers for name in passed_on):
        return False
    try:
        return ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False


urlpatterns = [path("metrics", metrics)]
