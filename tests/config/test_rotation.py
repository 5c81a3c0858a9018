"""Secrets are changed as docs/deployment.md says, and what they were used for stays good."""

import re
from typing import Any

import pytest
from django.core.mail import EmailMessage
from django.test import Client
from django_otp.oath import totp
from django_otp.plugins.otp_totp.models import TOTPDevice

from billing.models import Invitation
from billing.services import invitations, second_factor
from billing.services.passwords import mail_password_link
from tests.kit.api import ApiClient
from tests.kit.personas import NOW, PASSWORD, make_member, make_workspace

pytestmark = pytest.mark.django_db
OLD, NEW = "the old one, of forty and more characters", "the new one, of forty and more characters"


@pytest.fixture(autouse=True)
def _old_key(settings: Any) -> None:
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = OLD, []


def change_key(settings: Any, *kept: str) -> None:
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = NEW, list(kept)


def signed_in() -> Client:
    user = make_member(make_workspace())
    client = Client()
    answer = client.post("/login/", {"username": user.email, "password": PASSWORD})
    assert answer.status_code == 302
    return client


def opens(client: Client) -> bool:
    return client.get("/account/").status_code == 200


def test_sessions_outlive_a_change_of_the_secret_key(settings: Any) -> None:
    client = signed_in()
    change_key(settings, OLD)
    assert opens(client)
    # Upgraded to the new key as it was used.
    change_key(settings)
    assert opens(client)


def test_after_a_leak_sessions_of_the_old_key_end(settings: Any) -> None:
    client = signed_in()
    change_key(settings)
    assert not opens(client)


@pytest.mark.parametrize("kept", [True, False])
def test_links_to_set_a_password_are_good_while_the_old_key_is_kept(
    settings: Any, mailoutbox: list[EmailMessage], kept: bool
) -> None:
    make_workspace()
    mail_password_link(email="owner@acme.test", now=NOW)
    link = re.findall(r"/password/\S+/\S+/", str(mailoutbox[0].body))[0]

    change_key(settings, *[OLD] * kept)

    page = Client().get(link, follow=True).content.decode()
    assert ("This link has been used or is too old" not in page) is kept


@pytest.mark.parametrize("kept", [True, False])
def test_invitations_are_good_while_the_old_key_is_kept(settings: Any, kept: bool) -> None:
    acme = make_workspace()
    invitations.invite(
        workspace_id=acme.pk,
        email="ann@partner.test",
        role="viewer",
        invited_by=acme.members.get(),
        now=acme.created_at,
    )
    invitation = Invitation.objects.get()
    Invitation.objects.update(expires_at="2099-01-01T00:00:00Z")
    link = invitations.link_of(invitation)

    change_key(settings, *[OLD] * kept)

    page = Client().get(re.findall(r"/invitation/.+", link)[0]).content.decode()
    assert ("ann@partner.test" in page) is kept


def test_codes_of_an_app_and_service_keys_do_not_depend_on_it(settings: Any) -> None:
    user = make_member(make_workspace())
    second_factor.begin_enrolment(user=user)
    device = TOTPDevice.objects.get()
    TOTPDevice.objects.update(confirmed=True)
    api = ApiClient()

    change_key(settings)

    code = f"{totp(device.bin_key):06d}"
    assert second_factor.verify(user=user, token=code) == device
    assert api.get("billing-periods/").status_code == 200
