"""How often one key, or one signed-in person, may ask: counted in Redis by the minute."""

import logging
import time
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.cache import cache
from redis.exceptions import RedisError
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from billing.api.access import Authenticated
from billing.errors import BillingError
from billing.models import ServiceKey

if TYPE_CHECKING:  # its class body imports this module, by the settings
    from rest_framework.views import APIView

log = logging.getLogger(__name__)
_WINDOW_SECONDS = 60


class TooManyRequests(BillingError):
    status = 429
    code = "throttled"

    def __init__(self, *, limit: int, wait: int) -> None:
        super().__init__(f"More than {limit} requests a minute. Try again in {wait} s.")
        self.headers = {"Retry-After": str(wait)}


def check_rate(request: Authenticated, *, limit: int, group: str = "api") -> None:
    """Count one request of the caller's; raise `TooManyRequests` past `limit` a minute.

    Groups are counted apart. When Redis cannot be asked the request goes through: billing must
    not stop because a counter of requests has.
    """
    who = f"key:{request.auth.pk}" if isinstance(request.auth, ServiceKey) else request.user.pk
    window, elapsed = divmod(int(time.time()), _WINDOW_SECONDS)
    name = f"requests:{group}:{who}:{window}"
    try:
        count = 1 if cache.add(name, 1, timeout=2 * _WINDOW_SECONDS) else cache.incr(name)
    except (RedisError, OSError, ValueError):
        log.warning("cannot count requests; letting this one through", exc_info=True)
        return
    if count > limit:
        raise TooManyRequests(limit=limit, wait=_WINDOW_SECONDS - elapsed)


class ServiceKeyThrottle(BaseThrottle):
    """`API_THROTTLE_PER_MINUTE` for each key or person."""

    def allow_request(self, request: Request, view: "APIView") -> bool:
        check_rate(request, limit=settings.API_THROTTLE_PER_MINUTE)
        return True
