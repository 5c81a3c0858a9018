"""Failed sign-ins: who is locked out, and who is not."""

import pytest
from django.test import Client, RequestFactory

from billing.services.sign_in import client_address
from tests.kit.personas import PASSWORD, make_member, make_workspace

pytestmark = pytest.mark.django_db


def sign_in(client: Client, email: str, password: str, **headers: str) -> int:
    form = {"username": email, "password": password}
    return client.post("/login/", form, headers=headers).status_code


@pytest.mark.parametrize(
    "spelling", ["Owner@acme.test", " owner@ACME.test ", "OWNER@ACME.TEST", "owner@acme.test"]
)
def test_another_spelling_does_not_get_past_a_lock(spelling: str) -> None:
    make_member(make_workspace("Acme"))
    client = Client()
    for _ in range(8):
        sign_in(client, "owner@acme.test", "wrong")

    assert sign_in(client, spelling, PASSWORD) == 429
    form = {"username": spelling, "password": PASSWORD}
    assert client.post("/admin/login/", form).status_code == 429


def test_behind_a_proxy_one_client_does_not_lock_out_another(settings) -> None:
    settings.BEHIND_PROXY = True
    make_member(make_workspace("Acme"))
    attacker = {"X-Forwarded-For": "203.0.113.66"}
    for _ in range(8):
        sign_in(Client(), "owner@acme.test", "wrong", **attacker)

    assert sign_in(Client(), "owner@acme.test", PASSWORD, **attacker) == 429
    # What the attacker writes before the address that the proxy adds is not believed.
    forged = {"X-Forwarded-For": "198.51.100.9, 203.0.113.66"}
    assert sign_in(Client(), "owner@acme.test", PASSWORD, **forged) == 429
    owner = {"X-Forwarded-For": "198.51.100.1"}
    assert sign_in(Client(), "owner@acme.test", PASSWORD, **owner) == 302


@pytest.mark.parametrize(
    ("first", "later", "status"),
    [
        ("203.0.113.66", "203.0.113.66", 429),
        ("203.0.113.66", "203.0.113.67", 302),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", 429),  # one client has a whole /64
        ("2001:db8:1:2::1", "2001:db8:1:3::1", 302),
    ],
)
def test_an_address_that_tries_one_name_after_the_other_is_locked_out(
    settings, first: str, later: str, status: int
) -> None:
    settings.BEHIND_PROXY, settings.SIGN_IN_FAILURES_PER_ADDRESS = True, 9
    make_member(make_workspace("Acme"))
    client = Client()
    for number in range(9):
        forwarded = {"X-Forwarded-For": first}
        tried = sign_in(client, f"nr{number}@acme.test", "Autumn2026!", **forwarded)
        assert tried == 200

    signed_in = sign_in(client, "owner@acme.test", PASSWORD, **{"X-Forwarded-For": later})

    assert signed_in == status


def test_signing_in_oneself_forgives_no_tries_at_other_names(settings) -> None:
    settings.SIGN_IN_FAILURES_PER_ADDRESS = 9
    make_member(make_workspace("Acme"))
    for number in range(8):
        sign_in(Client(), f"nr{number}@acme.test", "Autumn2026!")
    assert sign_in(Client(), "owner@acme.test", PASSWORD) == 302

    assert sign_in(Client(), "nr8@acme.test", "Autumn2026!") == 200
    assert sign_in(Client(), "nr9@acme.test", "Autumn2026!") == 429


@pytest.mark.parametrize(
    ("behind_proxy", "peer", "forwarded", "client"),
    [
        (False, "198.51.100.1", "203.0.113.5", "198.51.100.1"),
        (True, "127.0.0.1", "203.0.113.5", "203.0.113.5"),
        (True, "127.0.0.1", "9.9.9.9, 203.0.113.5, 10.0.0.7", "203.0.113.5"),
        (True, "", "203.0.113.5:50123", "203.0.113.5"),
        (True, "::ffff:127.0.0.1", "[2001:db8::1]:443", "2001:db8::1"),
        (True, "198.51.100.1", "203.0.113.5", "198.51.100.1"),
        (True, "127.0.0.1", "203.0.113.5, unknown", "127.0.0.1"),
        (True, "127.0.0.1", "", "127.0.0.1"),
    ],
)
def test_the_client_is_the_last_that_is_no_proxy(
    settings, behind_proxy: bool, peer: str, forwarded: str, client: str
) -> None:
    settings.BEHIND_PROXY = behind_proxy
    request = RequestFactory().get("/", REMOTE_ADDR=peer, HTTP_X_FORWARDED_FOR=forwarded)

    assert client_address(request) == client
