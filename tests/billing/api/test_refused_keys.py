"""Refused service keys: logged by address without their secret, too many answered 429."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from billing.api.refusals import PER_MINUTE, forget_refusals
from tests.kit.api import ApiClient, bearer, refusal
from tests.kit.personas import NOW, make_workspace

pytestmark = pytest.mark.django_db
WRONG = "vb_0123456789ab_nobody-has-this"


@pytest.fixture(autouse=True)
def _nothing_counted(time_machine: Any) -> Iterator[None]:
    time_machine.move_to(NOW, tick=False)
    forget_refusals()
    yield
    forget_refusals()


def ask(secret: str = WRONG, address: str = "203.0.113.9", path: str = "invoices/") -> Any:
    return Client(REMOTE_ADDR=address).get(f"/api/v1/{path}", headers=bearer(secret))


def test_a_refused_key_is_logged_without_its_secret(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert refusal(ask()) == (401, "not_authenticated")
        assert refusal(ask("garbage\nwith a line")) == (401, "not_authenticated")
    assert [record.getMessage() for record in caplog.records if "refused a key" in record.msg] == [
        "refused a key from 203.0.113.9 (vb_0123456789ab): The service key is unknown, revoked or"
        " expired.",
        "refused a key from 203.0.113.9 (-): The service key is unknown, revoked or expired.",
    ]


def test_an_address_with_too_many_is_answered_429_and_others_are_not(
    caplog: pytest.LogCaptureFixture, time_machine: Any
) -> None:
    acme = make_workspace("Acme")
    path = f"workspaces/{acme.pk}/admission/"
    with caplog.at_level(logging.WARNING):
        for number in range(PER_MINUTE + 5):
            status = ask(path=path if number % 2 else "invoices/").status_code
            assert status == (401 if number < PER_MINUTE else 429)
    assert len([each for each in caplog.records if each.name == "billing.api.refusals"]) == 61
    assert int(ask()["Retry-After"]) <= 60
    assert ask(address="203.0.113.10").status_code == 401
    good = ApiClient().secret
    assert ask(good).status_code == 200
    time_machine.shift(60)
    assert ask().status_code == 401


def test_behind_a_proxy_it_is_the_clients_address(settings: Any) -> None:
    settings.BEHIND_PROXY = True
    attacker = bearer(WRONG) | {"X-Forwarded-For": "203.0.113.66"}
    for _ in range(PER_MINUTE + 1):
        answer = Client().get("/api/v1/invoices/", headers=attacker)
    assert answer.status_code == 429
    other = bearer(WRONG) | {"X-Forwarded-For": "203.0.113.67"}
    assert Client().get("/api/v1/invoices/", headers=other).status_code == 401
