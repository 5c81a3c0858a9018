"""Rate limits per key or person: counted by the minute, shared by Redis.

Each process counts for itself and tells Redis twice a second, or every fiftieth of the limit: a
round trip for every request would cost more than many a request. A limit may be overrun by what
the processes have not told each other yet.
"""

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.cache import cache
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from billing.api.access import Authenticated
from billing.errors import BillingError
from billing.models import ServiceKey

if TYPE_CHECKING:  # its class body imports this module, by the settings
    from rest_framework.views import APIView

log = logging.getLogger(__name__)
_WINDOW_SECONDS = 60
_SHARE_SECONDS = 0.5


class TooManyRequests(BillingError):
    status = 429
    code = "throttled"

    def __init__(self, *, limit: int, wait: int) -> None:
        super().__init__(f"More than {limit} requests a minute. Try again in {wait} s.")
        self.headers = {"Retry-After": str(wait)}


class _Counter:
    """Requests of one caller in one window: what Redis knew, and what it has not been told."""

    __slots__ = ("known", "shared_at", "untold", "window")

    def __init__(self, window: int) -> None:
        self.window = window
        self.known = 0
        self.untold = 0
        self.shared_at = 0.0


_counters: dict[str, _Counter] = {}
_lock = threading.Lock()
_MAX_COUNTERS = 10_000
_sharing = ThreadPoolExecutor(1, thread_name_prefix="throttles")


def check_rate(
    request: Authenticated, *, limit: int, group: str = "api", in_background: bool = False
) -> None:
    """Count one request of the caller's; raise `TooManyRequests` past `limit` a minute.

    Groups are counted apart. When Redis cannot be asked, each process counts alone: billing must
    not stop because a counter of requests has. `in_background` does not wait for Redis, as an
    event loop must not; what it says counts from the next request on.
    """
    who = f"key:{request.auth.pk}" if isinstance(request.auth, ServiceKey) else request.user.pk
    name = f"requests:{group}:{who}"
    window, elapsed = divmod(int(time.time()), _WINDOW_SECONDS)
    moment = time.monotonic()
    with _lock:
        counter = _counters.get(name)
        if counter is None or counter.window != window:
            if len(_counters) >= _MAX_COUNTERS:
                _counters.clear()
            counter = _counters[name] = _Counter(window)
        counter.untold += 1
        share = 0
        if counter.untold > limit // 50 or moment - counter.shared_at >= _SHARE_SECONDS:
            share, counter.untold, counter.shared_at = counter.untold, 0, moment
            counter.known += share
    if share and in_background:
        _sharing.submit(_share, counter, f"{name}:{window}", share)
    elif share:
        _share(counter, f"{name}:{window}", share)
    if counter.known + counter.untold > limit:
        raise TooManyRequests(limit=limit, wait=_WINDOW_SECONDS - elapsed)


def forget_counts() -> None:
    """Empty this process's memory of requests."""
    with _lock:
        _counters.clear()


def _share(counter: _Counter, name: str, count: int) -> None:
    try:
        cache.add(name, 0, timeout=2 * _WINDOW_SECONDS)
        total = cache.incr(name, count)
    except ValueError:  # the cache cannot be reached
        return
    with _lock:
        counter.known = max(counter.known, total)


class ServiceKeyThrottle(BaseThrottle):
    """`API_THROTTLE_PER_MINUTE` for each key or person."""

    def allow_request(self, request: Request, view: "APIView") -> bool:
        # Nobody is asking where a method is refused that no one may use.
        if request.auth is not None or request.user is not None:
            check_rate(request, limit=settings.API_THROTTLE_PER_MINUTE)
        return True
