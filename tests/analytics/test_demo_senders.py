"""The demo's way in over HTTP, against a server."""

import pytest
from pytest_django.live_server_helper import LiveServer

from dev.demo.senders import DemoError, HttpSender, Sent
from tests.kit.api import ApiClient
from tests.kit.personas import make_workspace

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def sender(live_server: LiveServer) -> HttpSender:
    return HttpSender(live_server.url, ApiClient().secret)


def record(**facts: str) -> dict[str, str]:
    return {
        "idempotency_key": "call 1",
        "resource_type": "call_minutes",
        "provider": "twilio",
        "quantity": "3.25",
        "unit_cost": "0.0125",
        **facts,
    }


def test_records_arrive_once(sender: HttpSender) -> None:
    acme = str(make_workspace().pk)
    assert sender.usage([record(workspace_id=acme)]) == Sent(accepted=1, duplicates=0)
    assert sender.usage([record(workspace_id=acme)]) == Sent(accepted=0, duplicates=1)


def test_a_refused_record_stops_the_load_and_says_why(sender: HttpSender) -> None:
    with pytest.raises(DemoError, match=r"/usage/batch/ refused 1: .*unknown_workspace"):
        sender.usage([record(workspace_id="7f1f1d5e-0000-4000-8000-000000000000")])


def test_a_server_that_is_not_there_is_named() -> None:
    with pytest.raises(DemoError, match=r"http://127\.0\.0\.1:9 cannot be reached"):
        HttpSender("http://127.0.0.1:9", "vb_x_y").usage([record(workspace_id="")])


def test_a_key_that_is_not_accepted_is_an_answer(live_server: LiveServer) -> None:
    with pytest.raises(DemoError, match="answered 401"):
        HttpSender(live_server.url, "vb_x_y").usage([record(workspace_id="")])
