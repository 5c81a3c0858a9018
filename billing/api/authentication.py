"""Authentication for REST framework: a service by its key, or a member by the session cookie."""

from django.contrib.auth.models import AnonymousUser
from django.utils import timezone as clock
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from billing.api.callers import CHALLENGE, key_of
from billing.models import ServiceKey, User
from billing.services.sign_in import client_address


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
