"""Callers of the API: whose key it is, what that may, and whether it has asked too often.

`authentication`, `permissions` and `throttles` are how REST framework asks this; `admit` asks
it all for hot endpoints.

Rates are counted by the minute, shared by Redis. Each process counts for itself and tells Redis
twice a second, or every fiftieth of the limit: a round trip for every request would cost more than
many a request. A limit may be overrun by what the processes have not told each other yet.
"""

import datetime as dt
import hashlib
import threading
import time
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.core.cache import cache
from django.http import HttpRequest
from rest_framework.permissions import SAFE_METHODS

from billing.api.access import Authenticated, may_see
from billing.api.bodies import is_packed
from billing.api.hot import HotEndpoint, HotRequest, UnsupportedMediaType
from billing.api.refusals import note_refusal
from billing.errors import BillingError, NotFound
from billing.models import ServiceKey, User
from billing.services import keys

CHALLENGE = 'Bearer realm="billing"'
# A revoked key stops within this time everywhere; a busy one costs a query that often, not each
# request.
_REMEMBER = dt.timedelta(seconds=3)
_MAX_REMEMBERED = 1_000
_WINDOW_SECONDS = 60
_SHARE_SECONDS = 0.5


class NotAuthenticated(BillingError):
    status = 401
    code = "not_authenticated"
    headers = {"WWW-Authenticate": CHALLENGE}


class MissingScope(BillingError):
    status = 403
    code = "missing_scope"


class MembersOnlyRead(BillingError):
    status = 403
    code = "members_only_read"


class TooManyRequests(BillingError):
    status = 429
    code = "throttled"

    def __init__(self, *, limit: int, wait: int) -> None:
        super().__init__(f"More than {limit} requests a minute. Try again in {wait} s.")
        self.headers = {"Retry-After": str(wait)}


class _Remembered(NamedTuple):
    key: ServiceKey
    verified_at: dt.datetime


_remembered: dict[bytes, _Remembered] = {}


def key_of(authorization: str | None, *, now: dt.datetime, address: str) -> ServiceKey | None:
    """The service key of a header `Bearer ...`; None where there is no such header.

    Raises `NotAuthenticated` for another scheme and for a key that is unknown, revoked or
    expired, without saying which; it is noted for the client's `address`.
    """
    try:
        secret = _secret_of(authorization)
        if secret is None:
            return None
        fingerprint = _fingerprint(secret)
        key = _recall(fingerprint, now) or _find(secret, fingerprint, now)
        return _usable(key, now)
    except NotAuthenticated as refusal:
        note_refusal(address=address, authorization=authorization or "", why=refusal.detail)
        raise


def recalled_key_of(authorization: str | None, *, now: dt.datetime) -> ServiceKey | None:
    """As `key_of`, but never asks the database: None for any that is not verified lately."""
    try:
        secret = _secret_of(authorization)
        key = None if secret is None else _recall(_fingerprint(secret), now)
        return None if key is None else _usable(key, now)
    except NotAuthenticated:
        return None


def forget_keys() -> None:
    """Empty this process's memory of verified keys."""
    _remembered.clear()


def _secret_of(authorization: str | None) -> str | None:
    if authorization is None:
        return None
    scheme, _, secret = authorization.strip().partition(" ")
    if scheme.lower() != "bearer":
        raise NotAuthenticated("Authorization must be: Bearer <service key>.")
    return secret.strip()


def _fingerprint(secret: str) -> bytes:
    return hashlib.sha256(secret.encode(errors="surrogateescape")).digest()


def _usable(key: ServiceKey | None, now: dt.datetime) -> ServiceKey:
    if key is None or (key.expires_at is not None and key.expires_at <= now):
        raise NotAuthenticated("The service key is unknown, revoked or expired.")
    return key


def _recall(fingerprint: bytes, now: dt.datetime) -> ServiceKey | None:
    remembered = _remembered.get(fingerprint)
    # A clock that was set back must not prolong the memory: hence both ends.
    if remembered is not None and dt.timedelta(0) <= now - remembered.verified_at < _REMEMBER:
        return remembered.key
    return None


def _find(secret: str, fingerprint: bytes, now: dt.datetime) -> ServiceKey | None:
    key = keys.find_key(secret=secret, now=now)
    if key is None:
        _remembered.pop(fingerprint, None)
        return None
    keys.note_use(key=key, now=now)
    if len(_remembered) >= _MAX_REMEMBERED:
        _remembered.clear()
    _remembered[fingerprint] = _Remembered(key, now)
    return key


def require_scope(key: ServiceKey, scopes: str | Collection[str]) -> None:
    """Raise `MissingScope` unless the key has the scope, or one of several."""
    wanted = (scopes,) if isinstance(scopes, str) else tuple(scopes)
    if not set(wanted) & set(key.scopes):
        raise MissingScope(f"The service key lacks the scope {' or '.join(wanted)}.")


def require_reading_member(user: object, method: str | None) -> User:
    """The signed-in member; raises `NotAuthenticated` for anyone else, `MembersOnlyRead` for a
    method that changes something."""
    if not isinstance(user, User) or not user.is_active:
        raise NotAuthenticated("Send a service key: Authorization: Bearer <key>.")
    if method not in SAFE_METHODS:
        raise MembersOnlyRead("A signed-in member may read; changes need a service key.")
    return user


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
_sharing = ThreadPoolExecutor(1, thread_name_prefix="rates")


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


@dataclass(slots=True)
class Asking:
    """Who asks: a service by its key, or a signed-in member."""

    auth: ServiceKey | None
    user: User | AnonymousUser


def admit(
    endpoint: HotEndpoint,
    request: HttpRequest,
    asking: Asking,
    parameters: Mapping[str, Any],
    *,
    in_background: bool = False,
) -> HotRequest:
    """What the function is given, but for the body, once everything else is found right.

    `in_background` as for `check_rate`.
    """
    only = None
    if asking.auth is not None:
        require_scope(asking.auth, endpoint.scopes)
        only = asking.auth.workspace_id
    limit = settings.API_USAGE_THROTTLE_PER_MINUTE
    check_rate(asking, limit=limit, group="usage", in_background=in_background)
    if "workspace_id" in parameters and not may_see(asking, parameters["workspace_id"]):
        raise NotFound("There is no such workspace.")
    if not endpoint.media_types:
        return HotRequest(only_workspace=only, parameters=parameters)
    media_type = request.content_type or ""
    if media_type not in endpoint.media_types:
        raise UnsupportedMediaType(
            f"Content-Type must be {' or '.join(endpoint.media_types)}, not {media_type!r}."
        )
    return HotRequest(b"", is_packed(request.META), media_type, only, parameters)
