"""Who tries to sign in, and from where: what the lockout (django-axes) counts failures by."""

import datetime as dt
import ipaddress
from collections.abc import Mapping
from typing import Any

from axes.attempts import get_cool_off_threshold
from axes.handlers.database import AxesDatabaseHandler
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.conf import settings
from django.db.models import Sum
from django.http import HttpRequest

from billing.models import Session
from billing.text import same_address

# What tells who tried to get in, for as long as somebody may ask.
KEPT = dt.timedelta(days=90)
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
# One household or server has so much of IPv6, and any address in it that it likes.
_IPV6_OF_ONE_CLIENT = 64


class Lockout(AxesDatabaseHandler):
    """Locks a name from one address, and an address that tries one name after the other.

    Both end `AXES_COOLOFF_TIME` after the last failure that counted. A name is never locked for
    every address: else anybody could lock anybody out.
    """

    def is_locked(self, request: HttpRequest, credentials: Mapping[str, Any] | None = None) -> bool:
        return super().is_locked(request, credentials) or _address_is_locked(request)


def _address_is_locked(request: HttpRequest) -> bool:
    address = counted_address(request)
    if not address:
        return False
    recent = AccessAttempt.objects.filter(
        ip_address=address, attempt_time__gte=get_cool_off_threshold(request)
    )
    failures: int | None = recent.aggregate(sum=Sum("failures_since_start"))["sum"]
    return (failures or 0) >= settings.SIGN_IN_FAILURES_PER_ADDRESS


def counted_address(request: HttpRequest) -> str:
    """What failures are counted by: the client's address, in IPv6 the network that is one
    client's."""
    address = _address(client_address(request))
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, _IPV6_OF_ONE_CLIENT), strict=False)[0])
    return str(address) if address else ""


def username(request: HttpRequest, credentials: Mapping[str, Any] | None = None) -> str:
    """The name as it is looked up, so that no other spelling of it gets past a lock."""
    name = (credentials or {}).get("username") or request.POST.get("username", "")
    return same_address(str(name))


def client_address(request: HttpRequest) -> str:
    """The client's address: the last one in the chain that is not one of our proxies.

    What a client writes into `X-Forwarded-For` itself stands before what the first of our proxies
    has seen, and counts for nothing.
    """
    peer = str(request.META.get("REMOTE_ADDR", ""))
    if not settings.BEHIND_PROXY:
        return peer
    chain = [*str(request.META.get("HTTP_X_FORWARDED_FOR", "")).split(","), peer]
    nearest = peer
    for hop in reversed(chain):
        address = _address(hop)
        if address is None:
            if hop.strip():
                break  # nobody knows who that is, or who came before
            continue  # a socket file has no address; its peer is on this machine
        nearest = str(address)
        if not _is_proxy(address):
            break
    return nearest


def _address(text: str) -> _Address | None:
    """An address as proxies write it, with a port or brackets or neither."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address


def _is_proxy(address: _Address) -> bool:
    return any(address in network for network in settings.TRUSTED_PROXIES)


def prune(*, now: dt.datetime) -> None:
    """Forget sessions that are over, and sign-ins of long ago."""
    Session.objects.filter(expire_date__lt=now).delete()
    for model in (AccessAttempt, AccessFailureLog, AccessLog):
        model.objects.filter(attempt_time__lt=now - KEPT).delete()
