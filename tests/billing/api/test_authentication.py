"""The way into every endpoint: who may, how often, and how errors look."""

import datetime as dt
from uuid import uuid4

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone as clock

from billing.models import ServiceKey
from billing.services.keys import revoke_key
from tests.kit.api import bearer, make_key, problem_of
from tests.kit.personas import make_workspace

NOW = dt.datetime(2026, 11, 22, 9, 0, tzinfo=dt.UTC)
pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.kit.api_probe")]


@pytest.fixture
def acme():
    return make_workspace()


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer vb_unknown_secret",
        "Bearer \xff\xfe",
        "Basic dXNlcjpwYXNz",
        "Token vb_a_b",
    ],
)
def test_without_a_good_key_nobody_gets_in(client: Client, header: str | None):
    headers = {} if header is None else {"Authorization": header}

    for response in (
        client.get("/api/echo/", headers=headers),
        client.post("/api/hot/", headers=headers),
    ):
        assert problem_of(response)["code"] == "not_authenticated"
        assert response.status_code == 401
        assert response["WWW-Authenticate"] == 'Bearer realm="billing"'


def test_a_key_needs_the_scope_of_what_it_does(client: Client):
    reader = bearer(make_key("usage:read"))
    biller = bearer(make_key("billing:write"))

    assert client.get("/api/echo/", headers=reader).status_code == 200
    refused = client.post("/api/echo/", {}, "application/json", headers=reader)
    assert refused.status_code == 403
    assert problem_of(refused)["code"] == "missing_scope"
    assert "usage:write or billing:write" in problem_of(refused)["detail"]
    assert client.post("/api/echo/", {}, "application/json", headers=biller).status_code == 201
    assert problem_of(client.post("/api/hot/", headers=reader))["code"] == "missing_scope"


def test_a_revoked_key_stops_within_five_seconds(client: Client):
    secret = make_key("usage:read")
    assert client.get("/api/echo/", headers=bearer(secret)).status_code == 200
    revoke_key(key=ServiceKey.objects.get(), now=clock.now())

    with time_machine.travel(clock.now() + dt.timedelta(seconds=5)):
        assert client.get("/api/echo/", headers=bearer(secret)).status_code == 401


def test_a_key_stops_at_its_expiry_even_when_it_was_just_verified(client: Client):
    with time_machine.travel(NOW, tick=False) as traveller:
        secret = make_key("usage:read", expires_at=NOW + dt.timedelta(seconds=1))
        assert client.get("/api/echo/", headers=bearer(secret)).status_code == 200
        traveller.shift(1)
        assert client.get("/api/echo/", headers=bearer(secret)).status_code == 401


def test_a_busy_key_costs_one_query_in_three_seconds(client, django_assert_num_queries):
    secret = make_key("usage:read")
    with time_machine.travel(NOW, tick=False):
        with django_assert_num_queries(4):  # the key, and its last use in a savepoint
            client.get("/api/echo/", headers=bearer(secret))
        with django_assert_num_queries(0):
            client.get("/api/echo/", headers=bearer(secret))


def test_last_use_is_remembered_to_the_minute(client: Client):
    secret = make_key("usage:read")
    with time_machine.travel(NOW, tick=False) as traveller:
        client.get("/api/echo/", headers=bearer(secret))
        assert ServiceKey.objects.get().last_used_at == NOW
        traveller.shift(59)
        client.get("/api/echo/", headers=bearer(secret))
        assert ServiceKey.objects.get().last_used_at == NOW
        traveller.shift(4)
        client.get("/api/echo/", headers=bearer(secret))
        assert ServiceKey.objects.get().last_used_at == NOW + dt.timedelta(seconds=63)


def test_a_key_sees_its_workspace_or_every_one(client: Client, acme):
    bound = client.get(
        "/api/echo/", headers=bearer(make_key("usage:read", workspace_id=acme.pk))
    ).json()
    free = client.get("/api/echo/", headers=bearer(make_key("usage:read"))).json()

    assert bound == {"workspaces": [str(acme.pk)]}
    assert free == {"workspaces": None}


def test_a_member_reads_their_workspaces_and_changes_nothing(client: Client, acme):
    client.force_login(acme.members.get())

    assert client.get("/api/echo/").json() == {"workspaces": [str(acme.pk)]}
    refused = client.post("/api/echo/", {}, "application/json")
    assert refused.status_code == 403
    assert problem_of(refused)["code"] == "members_only_read"
    assert problem_of(client.post("/api/hot/"))["code"] == "members_only_read"


def test_staff_see_nothing_through_the_api(client: Client, acme, django_user_model):
    client.force_login(django_user_model.objects.create_superuser("finance@platform.test", "x"))

    assert client.get("/api/echo/").json() == {"workspaces": []}


def test_a_bad_key_is_not_excused_by_a_session(client: Client, acme):
    client.force_login(acme.members.get())

    assert client.get("/api/echo/", headers=bearer("vb_a_b")).status_code == 401


@pytest.mark.parametrize("path", ["/api/echo/", "/api/hot/"])
@pytest.mark.parametrize("method", ["DELETE", "OPTIONS", "TRACE", "BREW"])
def test_other_methods_are_refused_with_what_is_allowed(client: Client, path: str, method: str):
    response = client.generic(method, path, headers=bearer(make_key("usage:write")))

    assert (response.status_code, problem_of(response)["code"]) == (405, "method_not_allowed")
    assert "POST" in response["Allow"]


def test_unknown_query_parameters_are_named(client: Client):
    response = client.get("/api/echo/?limt=5", headers=bearer(make_key("usage:read")))

    problem = problem_of(response)
    assert problem["code"] == "invalid_parameter"
    assert problem["errors"][0]["parameter"] == "limt"


@pytest.mark.parametrize("accept", ["text/html", "application/pdf", "nonsense"])
def test_the_answer_is_json_whatever_is_accepted(client: Client, accept: str):
    headers = {**bearer(make_key("usage:read")), "Accept": accept}

    assert client.get("/api/echo/", headers=headers)["Content-Type"] == "application/json"


def test_an_unknown_address_is_a_problem_below_api_and_a_page_elsewhere(client: Client):
    problem = client.get("/api/v1/nothing/")
    page = client.get("/nothing/")

    assert problem_of(problem)["code"] == "not_found"
    assert page.status_code == 404
    assert page["Content-Type"].startswith("text/html")


def test_usage_sent_without_the_last_slash_is_refused_not_lost(client: Client):
    headers = bearer(make_key("usage:read", "usage:write"))

    refused = client.post("/api/hot", b"{}", "application/json", headers=headers)

    assert (refused.status_code, problem_of(refused)["code"]) == (404, "not_found")
    assert "end in a slash" in problem_of(refused)["detail"]
    assert client.get("/api/echo", headers=headers).status_code == 301


def test_a_fault_of_ours_is_a_problem_below_api_and_a_page_elsewhere(client: Client):
    client.raise_request_exception = False

    assert problem_of(client.get("/api/broken/"))["code"] == "internal_error"
    assert client.get("/page/broken/")["Content-Type"].startswith("text/html")


@pytest.mark.parametrize(
    ("path", "setting"),
    [("/api/echo/", "API_THROTTLE_PER_MINUTE"), ("/api/hot/", "API_USAGE_THROTTLE_PER_MINUTE")],
)
def test_too_many_requests_of_one_key_wait(client: Client, settings, path: str, setting: str):
    setattr(settings, setting, 2)
    busy, calm = bearer(make_key("usage:write")), bearer(make_key("usage:write"))

    def send(headers):
        return client.post(path, b"{}", "application/json", headers=headers)

    with time_machine.travel(NOW + dt.timedelta(seconds=20), tick=False) as traveller:
        assert [send(busy).status_code for _ in range(3)][-1] == 429
        refused = send(busy)
        assert problem_of(refused)["code"] == "throttled"
        assert refused["Retry-After"] == "40"
        assert send(calm).status_code in (200, 201)
        traveller.shift(40)
        assert send(busy).status_code in (200, 201)


def test_a_process_counts_alone_when_redis_is_down(client: Client, settings):
    settings.CACHES = {
        "default": {
            **settings.CACHES["default"],
            "LOCATION": "redis://127.0.0.1:9/0",
        }
    }
    settings.API_THROTTLE_PER_MINUTE = 1
    headers = bearer(make_key("usage:read"))

    with time_machine.travel(NOW, tick=False):  # no new minute begins
        assert client.get("/api/echo/", headers=headers).status_code == 200
        assert client.get("/api/echo/", headers=headers).status_code == 429


def test_the_command_prints_the_key_alone_on_its_last_line(client: Client, acme, capsys):
    call_command(
        "create_service_key",
        "Voice platform",
        *("--scope", "usage:read", "--scope", "usage:write"),
        *("--workspace", str(acme.pk)),
    )
    secret = capsys.readouterr().out.rstrip("\n").splitlines()[-1]

    assert client.get("/api/echo/", headers=bearer(secret)).json() == {"workspaces": [str(acme.pk)]}
    key = ServiceKey.objects.get()
    assert key.name == "Voice platform"
    assert secret.encode() not in bytes(key.digest)


def test_the_command_refuses_an_unknown_workspace():
    with pytest.raises(CommandError, match="There is no workspace"):
        call_command(
            "create_service_key", "X", "--scope", "usage:read", "--workspace", str(uuid4())
        )
