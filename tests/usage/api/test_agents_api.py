from uuid import uuid4

import pytest

from billing.services.suspensions import suspend_for_payment
from tests.kit.api import ApiClient, problem_of, refusal
from tests.kit.personas import NOW, make_period, make_workspace

pytestmark = pytest.mark.django_db


def test_an_agent_is_made_once(django_assert_num_queries):
    acme = make_workspace()
    caller = ApiClient("workspaces:write")
    facts = {"id": str(uuid4()), "workspace_id": str(acme.pk), "name": "Front desk"}

    made = caller.post("agents/", facts)
    again = caller.post("agents/", facts)
    other = caller.post("agents/", {**facts, "name": "Back office"})

    assert (made.status_code, again.status_code) == (201, 200)
    assert made.json() == again.json()
    body = made.json()
    assert body.pop("created_at").endswith("Z")
    assert body == {**facts, "status": "draft", "paused_reason": None}
    assert refusal(other) == (409, "already_exists")
    with django_assert_num_queries(1):
        assert [row["id"] for row in caller.get("agents/").json()["results"]] == [facts["id"]]


def test_an_agent_goes_live_and_is_paused_by_hand():
    acme = make_workspace()
    caller = ApiClient("workspaces:write")
    agent = caller.post("agents/", {"workspace_id": str(acme.pk), "name": "Front desk"}).json()
    path = f"agents/{agent['id']}/"

    live = caller.patch(path, {"status": "live"}).json()
    paused = caller.patch(path, {"status": "paused", "name": "Night desk"}).json()

    assert (live["status"], live["paused_reason"]) == ("live", None)
    assert (paused["status"], paused["paused_reason"]) == ("paused", "manual")
    assert caller.get(path).json() == paused
    assert paused["name"] == "Night desk"


def test_an_agent_of_a_suspended_workspace_cannot_go_live():
    acme = make_workspace()
    make_period(acme)
    suspend_for_payment(workspace_id=acme.pk, now=NOW)
    caller = ApiClient("workspaces:write")

    made = caller.post(
        "agents/", {"workspace_id": str(acme.pk), "name": "Front desk", "status": "live"}
    ).json()

    assert (made["status"], made["paused_reason"]) == ("paused", "suspended")
    found = caller.get("agents/", status="paused", paused_reason="suspended").json()["results"]
    assert [row["id"] for row in found] == [made["id"]]


@pytest.mark.parametrize(
    ("change", "code", "pointer"),
    [
        ({"status": "asleep"}, "invalid_choice", "/status"),
        ({"name": " "}, "blank", "/name"),
        ({"workspace_id": "acme"}, "invalid_uuid", "/workspace_id"),
        ({"id": True}, "invalid_uuid", "/id"),
        ({"id": 5}, "invalid_uuid", "/id"),
        ({"name": "Front\u202edesk"}, "invalid_text", "/name"),
        ({"workspace_id": str(uuid4())}, "unknown_workspace", "/workspace_id"),
        ({"paused": True}, "unknown_field", "/paused"),
    ],
)
def test_what_is_not_acceptable_is_named(change, code, pointer):
    facts = {"workspace_id": str(make_workspace().pk), "name": "Front desk"}

    refused = ApiClient("workspaces:write").post("agents/", facts | change)

    assert refused.status_code == 400
    [fault] = problem_of(refused)["errors"]
    assert (fault["code"], fault["pointer"]) == (code, pointer)


def test_another_workspaces_agents_do_not_exist():
    acme, globex = make_workspace("Acme"), make_workspace("Globex")
    platform, caller = ApiClient(), ApiClient(workspace_id=acme.pk)
    mine, theirs = (
        platform.post("agents/", {"workspace_id": str(owner.pk), "name": "Front desk"}).json()["id"]
        for owner in (acme, globex)
    )

    assert [row["id"] for row in caller.get("agents/").json()["results"]] == [mine]
    assert refusal(caller.get(f"agents/{theirs}/")) == (404, "not_found")
    assert refusal(caller.patch(f"agents/{theirs}/", {"name": "Ours"})) == (404, "not_found")
    assert platform.get(f"agents/{theirs}/").json()["name"] == "Front desk"
    refused = caller.post("agents/", {"workspace_id": str(globex.pk), "name": "Spy"})
    assert refusal(refused) == (400, "unknown_workspace")


def test_agents_need_their_scopes():
    reader = ApiClient("usage:read")

    assert reader.get("agents/").status_code == 200
    assert refusal(reader.post("agents/", {})) == (403, "missing_scope")
    assert refusal(ApiClient("billing:read").get("agents/")) == (403, "missing_scope")


def test_an_agent_sent_again_is_known_after_it_was_changed():
    acme, caller = make_workspace(), ApiClient()
    sent = {"id": str(uuid4()), "workspace_id": str(acme.pk), "name": "Front desk"}
    made = caller.post("agents/", sent).json()
    changed = caller.patch(f"agents/{made['id']}/", {"name": "Desk", "status": "live"}).json()

    again = caller.post("agents/", sent)
    assert (again.status_code, again.json()) == (200, changed)
    for other in ({"name": "Desk"}, {"status": "live"}):
        assert refusal(caller.post("agents/", sent | other)) == (409, "already_exists")
    assert refusal(caller.patch(f"agents/{made['id']}/", {"paused_reason": "manual"})) == (
        400,
        "invalid",
    )
