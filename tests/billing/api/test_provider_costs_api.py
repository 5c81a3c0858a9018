"""The cost card and exchange rates over the API."""

import pytest

from billing.models import ProviderCost
from tests.kit.api import ApiClient, problem_of, refusal
from tests.kit.personas import make_workspace

pytestmark = pytest.mark.django_db

COST = {
    "provider": "Deepgram",
    "resource_type": "transcription",
    "model": "nova-3",
    "currency": "USD",
    "unit_cost": 0.0043,
    "starts_on": "2026-12-01",
}
RATE = {"from_currency": "USD", "to_currency": "EUR", "day": "2026-12-01", "rate": "0.9212"}


def test_a_cost_is_set_listed_and_ended():
    caller = ApiClient()

    made = caller.post("provider-costs/", COST)
    assert made.status_code == 201
    cost = made.json()["results"][0]
    assert cost | {"id": None} == {
        "id": None,
        "workspace_id": None,
        "provider": "deepgram",
        "resource_type": "transcription",
        "model": "nova-3",
        "currency": "USD",
        "unit_cost": "0.0043",
        "starts_on": "2026-12-01",
        "ends_on": None,
    }
    again = caller.post("provider-costs/", COST)
    assert (again.status_code, again.json()["added"]) == (200, 0)

    ended = caller.patch(f"provider-costs/{cost['id']}/", {"ends_on": "2027-01-01"})
    assert ended.json()["ends_on"] == "2027-01-01"
    listed = caller.get("provider-costs/", provider="DEEPGRAM").json()["results"]
    assert listed == [ended.json()]
    assert caller.get("provider-costs/", provider="twilio").json()["results"] == []


def test_many_are_set_at_once_or_none_with_the_places_that_are_wrong():
    caller = ApiClient()
    bad = {**COST, "unit_cost": "-1"}, {**COST, "currency": "XXX"}, {**COST, "unit_cost": "1" * 41}

    for wrong, pointer, code in zip(
        bad,
        ("/costs/1/unit_cost", "/costs/1/currency", "/costs/1/unit_cost"),
        ("too_small", "unknown_currency", "too_large"),
        strict=True,
    ):
        answer = caller.post("provider-costs/", {"costs": [COST, wrong]})
        assert answer.status_code == 400
        faults = problem_of(answer)["errors"]
        assert (faults[0]["pointer"], faults[0]["code"]) == (pointer, code)
    assert not ProviderCost.objects.exists()

    many = {"costs": [COST, {**COST, "model": "nova-2"}]}
    assert caller.post("provider-costs/", many).json()["added"] == 2


def sent(caller: ApiClient, method: str, path: str, text: str):
    return caller.client.generic(method, f"/api/v1/{path}", text.encode(), "text/csv")


def test_costs_and_exchange_rates_go_out_and_come_in_as_csv():
    caller = ApiClient()
    sheet = "provider,currency,unit_cost,starts_on\nTwilio,USD,0.0125,2026-12-01\n"

    assert sent(caller, "POST", "provider-costs/csv/", sheet).json() == {"added": 1, "known": 0}
    out = caller.get("provider-costs/csv/")
    assert out["Content-Type"] == "text/csv; charset=utf-8"
    lines = out.content.decode().splitlines()
    assert lines[1] == "twilio,,,USD,0.0125,2026-12-01,,"
    again = sent(caller, "POST", "provider-costs/csv/", out.content.decode())
    assert again.json() == {"added": 0, "known": 1}

    wrong = sheet + "twilio,USD,-1,soon\n"
    answer = sent(caller, "POST", "provider-costs/csv/", wrong)
    assert answer.status_code == 400
    assert "line 3: " in problem_of(answer)["detail"]
    assert sent(caller, "POST", "provider-costs/csv/", "").status_code == 400
    longest = f"provider,{'x' * 200_000}"
    assert sent(caller, "POST", "provider-costs/csv/", longest).status_code == 400
    assert len(sent(caller, "POST", "provider-costs/csv/", "x" * 100_000).content) < 1_000
    assert refusal(caller.post("provider-costs/csv/", COST))[0] == 415

    rates = "from_currency,to_currency,day,rate\nUSD,EUR,2026-12-01,0.9212\n"
    assert sent(caller, "POST", "exchange-rates/csv/", rates).json() == {"written": 1}
    assert caller.get("exchange-rates/csv/").content.decode() == rates


def test_the_platforms_sheets_are_not_for_keys_of_a_workspace():
    caller = ApiClient(workspace_id=make_workspace().pk)

    ApiClient().post("provider-costs/", COST)
    ApiClient().post("exchange-rates/", RATE)
    for path in ("provider-costs/csv/", "exchange-rates/csv/"):
        assert len(caller.get(path).content.splitlines()) == 1
        assert refusal(sent(caller, "POST", path, "a")) == (403, "key_is_bound")


def test_an_exchange_rate_is_set_and_replaced():
    caller = ApiClient()

    assert caller.post("exchange-rates/", RATE).json()["results"] == [RATE]
    replaced = {**RATE, "rate": "0.93"}
    written_small = {**replaced, "from_currency": "usd"}
    assert caller.post("exchange-rates/", {"rates": [written_small]}).status_code == 200
    assert caller.get("exchange-rates/", day="2026-12-01").json()["results"] == [replaced]

    for change, pointer in (
        ({"rate": "0"}, "/rates/0/rate"),
        ({"to_currency": "USD"}, "/rates/0/to_currency"),
    ):
        answer = caller.post("exchange-rates/", {**RATE, **change})
        assert answer.status_code == 400
        assert problem_of(answer)["errors"][0]["pointer"] == pointer


def test_costs_are_the_platforms_own_matter():
    acme = make_workspace()
    ApiClient().post("provider-costs/", COST)
    bound = ApiClient(workspace_id=acme.pk)

    assert bound.get("provider-costs/").json()["results"] == []
    assert refusal(bound.post("provider-costs/", COST)) == (403, "key_is_bound")
    assert refusal(bound.post("exchange-rates/", RATE)) == (403, "key_is_bound")
    cost = ProviderCost.objects.get()
    end = {"ends_on": "2027-01-01"}
    assert refusal(bound.patch(f"provider-costs/{cost.pk}/", end)) == (404, "not_found")
    for scope in ("usage:write", "usage:read", "billing:read"):
        assert refusal(ApiClient(scope).post("provider-costs/", COST)) == (403, "missing_scope")
    assert refusal(ApiClient("usage:read").get("provider-costs/")) == (403, "missing_scope")
