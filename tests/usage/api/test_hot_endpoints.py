"""Hot endpoints on the event loop and through Django, over real HTTP, answered the same."""

import gzip
import http.client
import json
import time
from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest
from django.db import connection

from billing.models import ServiceKey, Workspace
from billing.services.keys import revoke_key
from billing.services.workspaces import update_billing_settings
from tests.kit.api import make_key
from tests.kit.http_server import MAX_BODY_BYTES, HttpClient, WebServer, head, raw, usage_body
from tests.kit.personas import NOW, make_workspace
from usage.models import Call, UsageRecord

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def server(tmp_path_factory, django_db_setup) -> Iterator[WebServer]:
    made = WebServer(tmp_path_factory.mktemp("web") / "web.log")
    yield made
    made.stop()


def call(owner: Workspace, pk: UUID, **facts: object) -> dict[str, object]:
    return {
        "id": str(pk),
        "workspace_id": str(owner.pk),
        "direction": "inbound",
        "status": "in_progress",
        "provider": "twilio",
        "started_at": "2026-11-22T08:30:00Z",
        **facts,
    }


def test_a_record_is_shown_the_same_whichever_way_it_came(server):
    acme = make_workspace("Acme")
    caller = HttpClient(server)
    odd = usage_body(
        acme, "b", quantity=100, unit_cost="0", call_id=str(uuid4()), provider="Tëst \u2713"
    )

    for record, first_slow in ((usage_body(acme, "a"), False), (odd, True)):
        first = caller.send("POST", "usage/", record, through_django=first_slow)
        again = caller.send("POST", "usage/", record, through_django=not first_slow)
        assert (first.status, again.status) == (201, 200)
        assert first.body == again.body

    assert (first.json["quantity"], first.json["final_cost"]) == ("100", "0.0000000000")
    assert caller.both("POST", "usage/", usage_body(acme, "a")).json["final_cost"] == "0.0331500000"
    assert UsageRecord.objects.count() == 2


def test_batches_and_calls_are_answered_the_same(server):
    acme = make_workspace("Acme")
    caller = HttpClient(server)
    records = [usage_body(acme, "a"), usage_body(acme, "b", quantity="x"), usage_body(acme, "a")]
    pk = uuid4()
    caller.send("POST", "usage/batch/", {"records": records[:1]})
    caller.send("POST", "calls/", call(acme, pk))

    batch = caller.both("POST", "usage/batch/", {"records": records})
    lines = b"\n".join(json.dumps(record).encode() for record in records)
    ndjson = caller.both("POST", "usage/batch/", lines, content_type="application/x-ndjson")
    packed = caller.both(
        "POST",
        "usage/batch/",
        gzip.compress(lines),
        content_type="application/x-ndjson",
        headers={"Content-Encoding": "gzip"},
    )
    assert batch.json["duplicates"] == 2
    assert [error["code"] for error in batch.json["errors"]] == ["invalid_decimal"]
    assert batch.body == ndjson.body == packed.body
    assert caller.both("POST", "calls/", call(acme, pk)).json["id"] == str(pk)
    calls = {"records": [call(acme, pk), call(acme, pk, direction="sideways")]}
    assert caller.both("POST", "calls/batch/", calls).json["rejected"] == 1
    small = gzip.compress(json.dumps(usage_body(acme, "a")).encode())
    packed = caller.both("POST", "usage/", small, headers={"Content-Encoding": "gzip"})
    assert packed.json["idempotency_key"] == "a"
    assert (UsageRecord.objects.count(), Call.objects.count()) == (1, 1)


@pytest.mark.parametrize("path", ["usage/", "usage/batch/", "calls/", "calls/batch/"])
def test_what_is_wrong_is_refused_the_same(server, path):
    caller = HttpClient(server)

    def status(body: object = b"{}", **kwargs) -> int:
        return caller.both("POST", path, body, **kwargs).status

    assert status(b"") == status(b"{") == status(b"[1]") == status(b"\xff") == 400
    assert status({"records": [{}] * 3, "id": 1}) in (200, 400)
    assert status(content_type="text/plain") == status(content_type="") == 415
    assert status(headers={"Content-Encoding": "br"}) == 415
    assert status(headers={"Content-Encoding": "gzip"}) == 400
    assert (
        status(gzip.compress(b" " * MAX_BODY_BYTES * 3), headers={"Content-Encoding": "gzip"})
        == 413
    )
    too_large = b" " * (MAX_BODY_BYTES + 1)
    assert caller.send("POST", path, too_large).json["code"] == "body_too_large"
    assert status(content_type="application/json; charset=utf-8") in (200, 400)
    for key in ("Bearer x", "Basic abc", "Bearer vb_no_key", "Bearer"):
        assert status(headers={"Authorization": key}) == 401
    assert status(headers={"Authorization": f"Bearer {make_key('usage:read')}"}) == 403


def test_a_single_record_that_cannot_be_recorded_says_why_the_same(server):
    acme, globex = make_workspace("Acme"), make_workspace("Globex")
    caller = HttpClient(server)
    bound = HttpClient(server, make_key("usage:write", workspace_id=acme.pk))
    caller.send("POST", "usage/", usage_body(acme, "a"))

    refusals = [
        caller.both("POST", "usage/", usage_body(acme, "a", quantity=7)),
        caller.both("POST", "usage/", usage_body(acme, "b", occurred_at="yesterday")),
        caller.both("POST", "usage/", usage_body(acme, "b", workspace_id=str(uuid4()))),
        bound.both("POST", "usage/", usage_body(globex, "b")),
        caller.both("POST", "usage/", b'{"idempotency_key": "b", "idempotency_key": "c"}'),
    ]

    assert [(answer.status, answer.json["code"]) for answer in refusals] == [
        (409, "idempotency_key_reused"),
        (400, "invalid_time"),
        (400, "unknown_workspace"),
        (400, "unknown_workspace"),
        (400, "duplicate_key"),
    ]
    assert UsageRecord.objects.count() == 1


def test_admission_is_answered_the_same_and_from_what_is_in_the_database_now(server):
    acme, globex = make_workspace("Acme"), make_workspace("Globex")
    caller = HttpClient(server)
    bound = HttpClient(server, make_key("usage:read", workspace_id=globex.pk))
    path = f"workspaces/{acme.pk}/admission/"

    assert caller.both("GET", path).json == {"allowed": True, "reason": None, "remaining": None}
    update_billing_settings(
        workspace_id=acme.pk,
        changes={"usage_limit_monthly": "10", "auto_pause_on_limit": True},
        now=NOW,
    )
    caller.send("POST", "usage/", usage_body(acme, "a", occurred_at=None, quantity=5, unit_cost=1))
    assert caller.both("GET", path).json["remaining"] == "4.0000000000"
    caller.send("POST", "usage/", usage_body(acme, "b", occurred_at=None, quantity=5, unit_cost=1))
    assert caller.both("GET", path).json["reason"] == "usage_limit"
    assert bound.both("GET", path).status == 404
    assert caller.both("GET", f"workspaces/{uuid4()}/admission/").status == 404
    assert caller.send("HEAD", path).body == b""
    assert caller.send("PUT", path).status == 405


def test_a_key_that_is_revoked_stops_and_other_hosts_are_refused(server):
    acme = make_workspace("Acme")
    caller = HttpClient(server)
    path = f"workspaces/{acme.pk}/admission/"

    assert caller.send("GET", path).status == 200
    assert (
        caller.send("GET", path, headers={"Host": "elsewhere.test"}).json["code"] == "bad_request"
    )
    assert caller.send("GET", path, headers={"Authorization": ""}).status == 401

    revoke_key(key=ServiceKey.objects.get(), now=NOW)
    deadline = time.monotonic() + 30
    while caller.send("GET", path).status != 401:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_lost_connections_to_the_database_are_replaced(server):
    acme = make_workspace("Acme")
    caller = HttpClient(server)
    asks = ("GET", f"workspaces/{acme.pk}/admission/")
    assert caller.send("POST", "usage/", usage_body(acme, "a")).status == 201
    assert caller.send(*asks).status == 200

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'web'"
        )
    for request in (("POST", "usage/", usage_body(acme, "b")), asks):
        statuses = [caller.send(*request).status]
        while statuses[-1] == 503:
            assert len(statuses) < 30
            statuses.append(caller.send(*request).status)
        assert statuses[-1] in (200, 201)

    assert UsageRecord.objects.count() == 2


def test_chunks_expectations_and_requests_in_a_row_are_understood(server):
    acme = make_workspace("Acme")
    key = make_key("usage:write")
    one, two, three = (json.dumps(usage_body(acme, name)).encode() for name in "abc")

    chunked = head("usage/", key, "Transfer-Encoding: chunked", "Connection: close")
    half = len(one) // 2
    chunks = [b"%x\r\n%b\r\n" % (len(part), part) for part in (one[:half], one[half:])]
    assert b" 201 " in raw(server, chunked, *chunks, b"0\r\n\r\n")
    expecting = head(
        "usage/", key, f"Content-Length: {len(two)}", "Expect: 100-continue", "Connection: close"
    )
    answer = raw(server, expecting, two)
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert b" 201 " in answer
    first = head("usage/", key, f"Content-Length: {len(three)}") + three
    last = head("usage/", key, f"Content-Length: {len(one)}", "Connection: close") + one
    answer = raw(server, first + last)
    assert answer.index(b" 201 ") < answer.index(b" 200 ")
    assert UsageRecord.objects.count() == 3


@pytest.mark.parametrize("twice", [(), ("X-Twice: 1", "X-Twice: 2")])
def test_half_a_body_leaves_nothing_behind(server, twice):
    acme = make_workspace("Acme")
    key = make_key("usage:write")
    lines = [json.dumps(usage_body(acme, name)).encode() for name in "ab"]
    for length in ("Content-Length: 5000", "Transfer-Encoding: chunked"):
        start = head("usage/", key, length, *twice)
        body = b"%x\r\n%b\r\n" % (len(lines[0]), lines[0]) if "chunked" in length else lines[0]
        raw(server, start, body, hang_up=True)

    after = HttpClient(server).send("POST", "usage/", usage_body(acme, "after"))

    assert after.status == 201
    assert [record.idempotency_key for record in UsageRecord.objects.all()] == ["after"]


def test_a_head_without_an_end_is_refused(server):
    line = b"X-Long: " + b"x" * 8_000 + b"\r\n"
    last = b"X-Long: " + b"x" * 2_000

    answer = raw(server, b"GET / HTTP/1.1\r\nHost: localhost\r\n", *[line] * 4, last)

    assert answer.startswith(b"HTTP/1.1 400 ")


def test_hot_requests_are_counted(server):
    acme = make_workspace("Acme")
    HttpClient(server).send("GET", f"workspaces/{acme.pk}/admission/")
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    client.request("GET", "/metrics", headers={"Host": "localhost"})
    text = client.getresponse().read().decode()

    counted = 'method="GET",route="api/v1/workspaces/<uuid:workspace_id>/admission/",status="200"'
    assert counted in text


@pytest.mark.parametrize("path", ["usage/batch/", "usage/", "workspaces/"])
def test_who_sends_all_of_a_body_that_is_too_large_still_reads_why(server, path):
    key = make_key("usage:write", "workspaces:write")
    connection_ = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    headers = {
        "Authorization": f"Bearer {key}",
        "Content-Type": "application/json",
        "Connection": "close",
    }

    connection_.request("POST", f"/api/v1/{path}", b" " * 30_000_000, headers)
    answer = connection_.getresponse()

    assert answer.status == 413
    assert json.loads(answer.read())["code"] == "body_too_large"
    connection_.close()
