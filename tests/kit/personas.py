"""Workspaces and their people: the one maker of each, for all tests."""

import datetime as dt
from decimal import Decimal
from uuid import UUID

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.http import HttpRequest
from django.test import Client

from billing.models import BillingPeriod, User, Workspace, WorkspaceMember
from billing.second_factor import note_sign_in
from billing.services.members import set_member
from billing.services.periods import open_period
from billing.services.workspaces import create_workspace
from billing.sessions import SessionStore
from usage.models import VoiceAgent

NOW = dt.datetime(2026, 11, 22, 9, 0, tzinfo=dt.UTC)
# Older than every month that a test bills: those of before would have no fee.
MADE_AT = dt.datetime(2025, 9, 1, 12, tzinfo=dt.UTC)
PASSWORD = "correct horse battery"


def make_workspace(
    name: str = "Acme",
    *,
    workspace_id: UUID | None = None,
    tier: str = "starter",
    currency: str = "USD",
    timezone: str = "Europe/Berlin",
    billing_email: str = "",
    usage_limit_monthly: str | None = None,
    now: dt.datetime = MADE_AT,
) -> Workspace:
    """An active workspace with one owner, `owner@<first word of its name>.test`."""
    workspace, _ = create_workspace(
        workspace_id=workspace_id,
        name=name,
        owner_email=_address("owner", name),
        tier=tier,
        currency=currency,
        timezone=timezone,
        billing_email=billing_email,
        now=now,
    )
    if usage_limit_monthly is not None:
        workspace.billing_settings.usage_limit_monthly = Decimal(usage_limit_monthly)
        workspace.billing_settings.save()
    return workspace


def make_member(workspace: Workspace, *, role: str = WorkspaceMember.Role.OWNER) -> User:
    """Someone of the workspace, `<role>@acme.test`, who can sign in with `PASSWORD`."""
    email = _address(role, workspace.name)
    user = set_member(workspace=workspace, email=email, role=role)[0].user
    if not user.has_usable_password():  # in place of another, it would be told by mail
        user.set_password(PASSWORD)
        user.save()
    return user


def signed_in_client(user: User) -> Client:
    """A browser with a session as a sign-in leaves it; nothing else notes this one."""
    client, request = Client(), HttpRequest()
    request.session = SessionStore()
    request.session.update(
        {
            SESSION_KEY: str(user.pk),
            BACKEND_SESSION_KEY: "billing.sign_in_backend.SignInBackend",
            HASH_SESSION_KEY: user.get_session_auth_hash(),
        }
    )
    note_sign_in(User, request, user)
    request.session.save()
    client.cookies[settings.SESSION_COOKIE_NAME] = str(request.session.session_key)
    return client


def member_client(workspace: Workspace, *, role: str = WorkspaceMember.Role.OWNER) -> Client:
    """A browser in which a member of the workspace is signed in."""
    return signed_in_client(make_member(workspace, role=role))


def make_period(workspace: Workspace, at: dt.datetime = NOW) -> BillingPeriod:
    """The workspace's month that holds `at`, opened then."""
    return open_period(workspace_id=workspace.pk, at=at, now=at)


def make_agent(
    workspace: Workspace, name: str, status: str = "live", paused_reason: str | None = None
) -> VoiceAgent:
    return VoiceAgent.objects.create(
        workspace=workspace, name=name, status=status, paused_reason=paused_reason
    )


def _address(local_part: str, name: str) -> str:
    return f"{local_part}@{name.split(maxsplit=1)[0].lower()}.test"
