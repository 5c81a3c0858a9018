from uuid import uuid4

import pytest

from tests.kit.api import ApiClient, problem_of, refusal
from tests.kit.personas import NOW, make_period, make_workspace

pytestmark = pytest.mark.django_db


def record(caller: ApiClient, owner) -> dict:
    made = caller.post(
        "usage/",
        {
            "idempotency_key": str(uuid4()),
            "workspace_id": str(owner.pk),
            "resource_type": "call_minutes",
            "provider": "twilio",
            "quantity": "3.25",
            "unit_cost": "0.0125",
        },
    )
    assert made.status_code == 201, made.content
    return made.json()


def test_voiding_appends_a_reversing_record_once():
    acme = make_workspace()
    caller = ApiClient("usage:write", "usage:read")
    original = record(caller, acme)
    path = f"usage/{original['id']}/void/"

    voided = caller.post(path, {"reason": "Wrong call"})
    again = caller.post(path, {"reason": "Really"})

    assert (voided.status_code, again.status_code) == (201, 200)
    assert again.json() == voided.json()
    reversal = voided.json()
    assert reversal["reverses_id"] == original["id"]
    assert reversal["reason"] == "Wrong call"
    assert (reversal["quantity"], reversal["final_cost"]) == ("-3.25", "-0.0487500000")
    assert reversal["occurred_at"] == original["occurred_at"]
    summary = caller.get(f"workspaces/{acme.pk}/usage-summary/").json()
    assert summary["subtotal"] == "0.0000000000"
    assert len(caller.get("usage/").json()["results"]) == 2


def test_the_stored_record_is_shown_as_it_was_answered():
    caller = ApiClient()
    answered = record(caller, make_workspace())

    shown = caller.get(f"usage/{answered['id']}/").json()

    assert {name: shown[name] for name in answered} == answered


def test_a_reversal_is_not_taken_back():
    caller = ApiClient()
    original = record(caller, make_workspace())
    reversal = caller.post(f"usage/{original['id']}/void/", {"reason": "Wrong"}).json()

    refused = caller.post(f"usage/{reversal['id']}/void/", {"reason": "No, right"})

    assert refusal(refused) == (409, "cannot_void")


@pytest.mark.parametrize("body", [{}, {"reason": ""}, {"reason": "x" * 201}, {"reason": None}])
def test_voiding_says_why(body):
    caller = ApiClient()
    original = record(caller, make_workspace())

    refused = caller.post(f"usage/{original['id']}/void/", body)

    assert refused.status_code == 400
    assert problem_of(refused)["errors"][0]["pointer"] == "/reason"


def test_another_workspaces_record_cannot_be_voided():
    acme, globex = make_workspace("Acme"), make_workspace("Globex")
    theirs = record(ApiClient(), globex)
    caller = ApiClient(workspace_id=acme.pk)
    make_period(acme, NOW)

    refused = caller.post(f"usage/{theirs['id']}/void/", {"reason": "Mine"})

    assert refusal(refused) == (404, "not_found")
    assert refusal(caller.post(f"usage/{uuid4()}/void/", {"reason": "X"})) == (404, "not_found")


def test_voiding_needs_the_scope_to_write():
    refused = ApiClient("usage:read").post(f"usage/{uuid4()}/void/", {"reason": "X"})

    assert refusal(refused) == (403, "missing_scope")


@pytest.mark.parametrize("path", ["usage/", "usage/batch/", "calls/", "calls/batch/"])
def test_hot_endpoints_refuse_other_methods_like_all(path):
    refused = ApiClient().send("DELETE", path, {})

    assert refusal(refused) == (405, "method_not_allowed")
    assert "POST" in refused["Allow"]
