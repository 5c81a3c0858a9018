"""Rate limits for REST framework."""

from typing import TYPE_CHECKING

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from billing.api.callers import check_rate

if TYPE_CHECKING:  # its class body imports this module, by the settings
    from rest_framework.views import APIView


class ServiceKeyThrottle(BaseThrottle):
    """`API_THROTTLE_PER_MINUTE` for each key or person."""

    def allow_request(self, request: Request, view: "APIView") -> bool:
        # Nobody is asking where a method is refused that no one may use.
        if request.auth is not None or request.user is not None:
            check_rate(request, limit=settings.API_THROTTLE_PER_MINUTE)
        return True
