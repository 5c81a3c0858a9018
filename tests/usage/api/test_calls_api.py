from uuid import uuid4

import pytest

from tests.kit.api import ApiClient, pages_of, refusal
from tests.kit.personas import make_period, make_workspace
from tests.kit.usage import insert_call, insert_record

pytestmark = pytest.mark.django_db


def test_a_call_is_shown_as_reported_last():
    acme = make_workspace()
    call = insert_call(acme, "2026-11-05T10:00:00+00:00", duration_seconds="182.400")
    caller = ApiClient("usage:read", "billing:read")

    shown = caller.get(f"calls/{call.pk}/").json()

    assert shown == {
        "id": str(call.pk),
        "workspace_id": str(acme.pk),
        "agent_id": None,
        "direction": "inbound",
        "status": "completed",
        "provider": "twilio",
        "started_at": "2026-11-05T10:00:00Z",
        "ended_at": "2026-11-05T10:01:00Z",
        "duration_seconds": "182.4",
        "created_at": "2026-11-22T09:00:00Z",
        "updated_at": "2026-11-22T09:00:00Z",
    }
    assert caller.get("calls/").json()["results"] == [shown]


def test_calls_come_latest_first_page_by_page(django_assert_num_queries):
    acme = make_workspace()
    calls = [insert_call(acme, f"2026-11-0{day}T10:00:00+00:00") for day in (1, 2, 3)]
    caller = ApiClient("usage:read", "billing:read")

    pages = pages_of(caller, "calls/", workspace_id=acme.pk, limit=2)

    assert [row["id"] for page in pages for row in page] == [str(c.pk) for c in reversed(calls)]
    with django_assert_num_queries(1):
        caller.get("calls/")


def test_calls_are_filtered():
    acme = make_workspace()
    first = insert_call(acme, "2026-11-01T10:00:00+00:00", status="failed", direction="outbound")
    second = insert_call(acme, "2026-11-02T10:00:00+00:00", provider="telnyx")
    caller = ApiClient("usage:read", "billing:read")

    def found(**query):
        return [row["id"] for row in caller.get("calls/", **query).json()["results"]]

    assert found(status="failed") == [str(first.pk)]
    assert found(direction="outbound") == [str(first.pk)]
    assert found(provider="telnyx") == [str(second.pk)]
    assert found(started_after="2026-11-02T00:00:00Z") == [str(second.pk)]
    assert found(started_before="2026-11-02T00:00:00Z") == [str(first.pk)]
    assert refusal(caller.get("calls/", status="lost")) == (400, "invalid_parameter")


def test_a_receipt_is_every_record_of_the_call_and_their_exact_sum(django_assert_num_queries):
    acme = make_workspace()
    period = make_period(acme)
    call = insert_call(acme, "2026-11-05T10:00:00+00:00")
    minutes = insert_record(period, "2026-11-05T10:01:00+00:00", "0.0406250001", call_id=call.pk)
    speech = insert_record(
        period, "2026-11-05T10:00:30+00:00", "0.01", call_id=call.pk, resource_type="synthesis"
    )
    insert_record(period, "2026-11-05T10:00:30+00:00", "99")
    caller = ApiClient("usage:read", "billing:read")
    caller.get("calls/")

    with django_assert_num_queries(4):
        receipt = caller.get(f"calls/{call.pk}/receipt/").json()

    assert receipt["call"]["id"] == receipt["call_id"] == str(call.pk)
    assert receipt["workspace_id"] == str(acme.pk)
    assert receipt["currency"] == "USD"
    assert [row["id"] for row in receipt["records"]] == [str(speech.pk), str(minutes.pk)]
    assert receipt["total_cost"] == receipt["final_cost"] == "0.0506250001"


def test_usage_may_arrive_before_its_call():
    call_id = uuid4()
    insert_record(
        make_period(make_workspace()), "2026-11-05T10:01:00+00:00", "2.5", call_id=call_id
    )

    receipt = ApiClient("usage:read", "billing:read").get(f"calls/{call_id}/receipt/").json()

    assert receipt["call"] is None
    assert receipt["final_cost"] == "2.5000000000"


def test_a_receipt_never_shows_what_another_workspace_attached():
    acme, globex = make_workspace("Acme"), make_workspace("Globex")
    call = insert_call(acme, "2026-11-05T10:00:00+00:00")
    insert_record(make_period(acme), "2026-11-05T10:00:00+00:00", "1", call_id=call.pk)
    insert_record(make_period(globex), "2026-11-05T10:00:00+00:00", "50", call_id=call.pk)

    for caller in (ApiClient(), ApiClient(workspace_id=acme.pk)):
        assert caller.get(f"calls/{call.pk}/receipt/").json()["final_cost"] == "1.0000000000"


def test_another_workspaces_calls_do_not_exist():
    acme, globex = make_workspace("Acme"), make_workspace("Globex")
    mine = insert_call(acme, "2026-11-05T10:00:00+00:00")
    theirs = insert_call(globex, "2026-11-05T10:00:00+00:00")
    caller = ApiClient(workspace_id=acme.pk)

    assert [row["id"] for row in caller.get("calls/").json()["results"]] == [str(mine.pk)]
    for path in ("", "receipt/"):
        assert caller.get(f"calls/{mine.pk}/{path}").status_code == 200
        assert refusal(caller.get(f"calls/{theirs.pk}/{path}")) == (404, "not_found")
        assert refusal(caller.get(f"calls/{uuid4()}/{path}")) == (404, "not_found")


def test_calls_need_a_usage_scope():
    caller = ApiClient("billing:read", "workspaces:write")

    for path in ("calls/", f"calls/{uuid4()}/", f"calls/{uuid4()}/receipt/"):
        assert refusal(caller.get(path)) == (403, "missing_scope")


def reported(acme, **facts):
    return {
        "id": "7f3c1f0e-52a4-4c6b-9a51-0d2f6f1d9c11",
        "workspace_id": str(acme.pk),
        "direction": "inbound",
        "status": "completed",
        "provider": "twilio",
        "started_at": "2026-11-05T10:00:00Z",
        "ended_at": "2026-11-05T10:01:00Z",
        **facts,
    }


def test_a_call_sent_again_is_known_after_its_workspace_was_closed():
    acme, caller = make_workspace(), ApiClient()
    running = reported(acme, status="in_progress", ended_at=None)
    assert caller.post("calls/", running).status_code == 201
    ended = caller.post("calls/", reported(acme)).json()
    caller.patch(f"workspaces/{acme.pk}/", {"status": "closed"})

    for again in (reported(acme, provider="Twilio"), running):
        answer = caller.post("calls/", again)
        assert (answer.status_code, answer.json()) == (200, ended)
    news = reported(acme, ended_at="2026-11-05T10:02:00Z")
    assert refusal(caller.post("calls/", news)) == (409, "workspace_closed")
    other = reported(acme, direction="outbound")
    assert refusal(caller.post("calls/", other)) == (409, "idempotency_key_reused")
    batch = caller.post("calls/batch/", {"records": [reported(acme), news]}).json()
    assert (batch["accepted"], batch["duplicates"], batch["rejected"]) == (0, 1, 1)


def test_an_id_of_another_workspaces_call_does_not_exist():
    acme, globex = make_workspace("Acme"), make_workspace("globex")
    ApiClient().post("calls/", reported(globex))
    bound = ApiClient(workspace_id=acme.pk)

    assert refusal(bound.post("calls/", reported(acme))) == (404, "not_found")
    assert refusal(ApiClient().post("calls/", reported(acme))) == (409, "idempotency_key_reused")
    agent = {"id": "7f3c1f0e-52a4-4c6b-9a51-0d2f6f1d9c12", "name": "Front desk"}
    ApiClient().post("agents/", {**agent, "workspace_id": str(globex.pk)})
    taken = bound.post("agents/", {**agent, "workspace_id": str(acme.pk)})
    assert refusal(taken) == (404, "not_found")


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"duration_seconds": "600"}, "longer_than_its_times"),
        ({"started_at": "2026-11-05T10:00:00"}, "naive_time"),
        ({"started_at": 5}, "invalid_time"),
        ({"provider": "twi\u202elio"}, "invalid_provider"),
        ({"id": True}, "invalid_type"),
    ],
)
def test_facts_that_cannot_be_are_refused(facts, code):
    assert refusal(ApiClient().post("calls/", reported(make_workspace(), **facts))) == (400, code)


@pytest.mark.parametrize("seconds", ["0", "42.5", "60", "61.9"])
def test_a_call_may_be_talked_for_less_than_it_lasts(seconds):
    answer = ApiClient().post("calls/", reported(make_workspace(), duration_seconds=seconds))

    assert (answer.status_code, answer.json()["duration_seconds"]) == (201, seconds)
