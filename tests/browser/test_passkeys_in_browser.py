"""Passkeys in a real browser, with Chromium's own virtual authenticator."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from billing.models import Passkey, User
from tests.browser.conftest import Opener
from tests.kit.personas import PASSWORD

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _here(settings: Any, live_server: LiveServer) -> None:
    settings.SITE_URL = live_server.url
    settings.STAFF_SECOND_FACTOR = True


def with_a_key(page: Page) -> tuple[Any, str]:
    """The page's browser has a security key, whose owner confirms at once."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "usb",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
    }
    made = devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return devtools, made["authenticatorId"]


def sign_in(page: Page) -> None:
    page.goto("/login/")
    page.get_by_label("E-mail address").fill("fay@finance.test")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def test_staff_make_a_passkey_and_sign_in_with_it(open_page: Opener) -> None:
    User.objects.create_superuser("fay@finance.test", PASSWORD)
    page = open_page("/login/")
    devtools, key = with_a_key(page)
    sign_in(page)
    page.wait_for_url("**/account/second-factor/**")
    page.get_by_label("Name").fill("Blue key")
    page.get_by_role("button", name="Make a passkey").click()
    expect(page.get_by_role("heading", name="Keep these recovery codes")).to_be_visible()
    page.goto("/admin/")
    expect(page.get_by_text("Your account")).to_have_count(1)

    page.goto("/account/")
    expect(page.get_by_text("Blue key")).to_be_visible()
    page.get_by_text("Another passkey or app").click()
    page.get_by_label("Name").fill("Blue key again")
    page.get_by_role("button", name="Make a passkey").click()
    expect(page.get_by_text("This device has a passkey of yours already.")).to_be_visible()

    page.context.clear_cookies()
    sign_in(page)
    page.wait_for_url("**/second-factor/**")
    devtools.send("WebAuthn.setUserVerified", {"authenticatorId": key, "isUserVerified": False})
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_text("Nothing was confirmed.")).to_be_visible()
    devtools.send("WebAuthn.setUserVerified", {"authenticatorId": key, "isUserVerified": True})
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url("**/admin/")
    assert Passkey.objects.get().sign_count > 0
