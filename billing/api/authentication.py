"""Authentication of API callers: a service by its key, or a member by the session cookie."""

import datetime as dt
import hashlib
from typing import NamedTuple

from django.contrib.auth.models import AnonymousUser
from django.utils import timezone as clock
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from billing.api.refusals import note_refusal
from billing.errors import BillingError
from billing.models import ServiceKey, User
from billing.services import keys
from billing.services.sign_in import client_address

CHALLENGE = 'Bearer realm="billing"'
# A revoked key stops within this time everywhere; a busy one costs a query that often, not each
# request.
_REMEMBER = dt.timedelta(seconds=3)
_MAX_REMEMBERED = 1_000


class NotAuthenticated(BillingError):
    status = 401
    code = "not_authenticated"
    headers = {"WWW-Authenticate": CHALLENGE}


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


class ServiceKeyAuthentication(BaseAuthentication):
    """`request.auth` is the `ServiceKey`; there is no user behind it."""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, ServiceKey] | None:
        key = key_of(
            request._request.headers.get("Authorization"),
            now=clock.now(),
            address=client_address(request._request),
        )
        if key is None:
            return None
        request._request.service_key = key  # type: ignore[attr-defined] # for the audit log
        return AnonymousUser(), key

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE


class MemberSessionAuthentication(BaseAuthentication):
    """A person signed in on the pages; `HasScope` lets them read and nothing else.

    Needs no CSRF token for that reason. Being staff gives nothing here: what a person sees is
    what the workspaces they are a member of have.
    """

    def authenticate(self, request: Request) -> tuple[User, None] | None:
        user = getattr(request._request, "user", None)
        if not isinstance(user, User) or not user.is_active:
            return None
        return user, None
