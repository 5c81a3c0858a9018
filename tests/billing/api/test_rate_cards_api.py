"""Rate cards, assignments, overrides and pricing over HTTP."""

import pytest
import time_machine

from tests.kit.api import ApiClient, problem_of, refusal
from tests.kit.personas import make_workspace

pytestmark = pytest.mark.django_db

MINUTES = {
    "match": {"resource_type": "call_minutes"},
    "price": {"model": "per_unit", "unit_price": "0.12"},
}
ANY = {"match": {}, "price": {"model": "cost_plus", "markup_percentage": "15"}}


@pytest.fixture(autouse=True)
def _today():
    with time_machine.travel("2026-11-22T09:00:00Z", tick=False):
        yield


@pytest.fixture
def finance() -> ApiClient:
    return ApiClient("prices:write", "billing:read")


def made(finance, **facts):
    response = finance.post(
        "rate-cards/", {"name": "Voice", "currency": "USD", "rates": [MINUTES, ANY], **facts}
    )
    assert response.status_code == 201, response.content
    return response.json()


def faults(response) -> list[tuple[str, str]]:
    assert response.status_code == 400, response.content
    return [(error["pointer"], error["code"]) for error in problem_of(response)["errors"]]


def test_a_card_is_made_published_and_used(finance):
    acme = make_workspace()
    card = made(finance)
    path = f"rate-cards/{card['id']}/"

    draft = card["versions"][0]
    assert draft["status"] == "draft"
    # What an example is for is said as what a rate is for.
    assert draft["examples"][0]["match"] in [each["match"] for each in draft["rates"]]
    published = finance.post(f"{path}versions/1/publish/", {"effective_from": "2026-12-01"})
    assert published.status_code == 200, published.content
    assert published.json()["status"] == "published"
    used = finance.post(
        f"{path}assignments/", {"workspace_id": str(acme.pk), "starts_on": "2026-12-01"}
    )
    assert used.status_code == 201, used.content

    pricing = finance.get(f"workspaces/{acme.pk}/pricing/", at="2026-12-01T00:00:00+01:00").json()
    assert (pricing["day"], pricing["currency"]) == ("2026-12-01", "USD")
    assert [
        (price["match"]["resource_type"], price["price"], price["source"], price["version"])
        for price in pricing["prices"]
    ] == [
        ("call_minutes", MINUTES["price"], "workspace_card", 1),
        (None, ANY["price"], "workspace_card", 1),
    ]
    before = finance.get(f"workspaces/{acme.pk}/pricing/").json()
    assert [(price["price"], price["source"]) for price in before["prices"]] == [
        ({"model": "cost_plus", "markup_percentage": "20"}, "markup")
    ]


def test_the_contracts_form(finance):
    card = finance.post("rate-cards/", {"name": "Voice", "currency": "USD"}).json()
    path = f"rate-cards/{card['id']}/"
    draft = finance.post(f"{path}versions/", {"rates": [ANY]}).json()

    assert draft["rates"][0] | {"id": None} == {
        "id": None,
        "match": {"resource_type": None, "provider": None, "model": None},
        "price": ANY["price"],
        "min_margin_percentage": None,
    }
    # A midnight is taken for its day.
    body = {"effective_from": "2026-12-01T00:00:00Z"}
    assert finance.post(f"{path}versions/1/publish/", body).status_code == 200
    again = finance.post(f"{path}versions/1/publish/", body)
    assert refusal(again) == (409, "version_published")
    copy = finance.post(f"{path}versions/", {"copy_of": 1}).json()
    assert (copy["number"], copy["status"]) == (2, "draft")
    shown = finance.get(path).json()
    assert [version["status"] for version in shown["versions"]] == ["published", "draft"]
    with time_machine.travel("2027-01-02T00:00:00Z"):
        finance.post(f"{path}versions/2/publish/", {"effective_from": "2027-01-02"})
        shown = finance.get(path).json()
    assert [version["status"] for version in shown["versions"]] == ["retired", "published"]
    assert [each["name"] for each in finance.get("rate-cards/").json()["results"]] == ["Voice"]


def test_a_bad_card_is_refused_where_it_is_wrong(finance):
    bad = {
        "name": "Voice",
        "currency": "USD",
        "rates": [
            MINUTES,
            {"match": {"resource_type": "Speech!"}, "price": {"model": "per_unit"}},
            {
                "price": {
                    "model": "graduated",
                    "tiers": [
                        {"up_to": "9", "unit_price": "1"},
                        {"up_to": "5", "unit_price": "1"},
                        {"up_to": None, "unit_price": "1" * 41},
                    ],
                }
            },
        ],
    }

    assert sorted(faults(finance.post("rate-cards/", bad))) == [
        ("/rates/1/match/resource_type", "invalid_resource_type"),
        ("/rates/1/price/unit_price", "required"),
        ("/rates/2/price/tiers/1/up_to", "tiers_not_rising"),
        ("/rates/2/price/tiers/2/unit_price", "too_large"),
    ]
    assert finance.get("rate-cards/").json()["results"] == []
    twice = {**bad, "rates": [MINUTES, MINUTES]}
    assert faults(finance.post("rate-cards/", twice)) == [("/rates/1/match", "duplicate_match")]
    assert faults(finance.post("rate-cards/", {**bad, "rates": [ANY], "currency": "XXX"})) == [
        ("/currency", "unknown_currency")
    ]
    made(finance)
    assert refusal(finance.post("rate-cards/", {**bad, "rates": [ANY]})) == (409, "name_taken")


def test_publishing_is_refused_with_everything_that_is_wrong(finance):
    included = {**MINUTES, "price": {**MINUTES["price"], "included": "1000"}}
    card = made(finance, rates=[included])

    answer = finance.post(
        f"rate-cards/{card['id']}/versions/1/publish/", {"effective_from": "2026-11-21"}
    )

    assert faults(answer) == [
        ("/rates", "no_rate_for_any"),
        ("/effective_from", "in_the_past"),
    ]


def test_an_override_is_a_workspaces_own_price(finance):
    acme = make_workspace()
    path = f"workspaces/{acme.pk}/price-overrides/"
    body = {**MINUTES, "starts_on": "2026-11-25", "reason": "Beat their offer"}

    override = finance.post(path, body).json()

    assert (override["match"]["resource_type"], override["ends_on"]) == ("call_minutes", None)
    assert refusal(finance.post(path, body)) == (409, "overlaps")
    ended = finance.patch(f"{path}{override['id']}/", {"ends_on": "2026-12-01"})
    assert ended.json()["ends_on"] == "2026-12-01"
    pricing = finance.get(f"workspaces/{acme.pk}/pricing/", at="2026-11-30T12:00:00Z").json()
    assert [price["source"] for price in pricing["prices"]] == ["override", "markup"]
    assert faults(finance.post(path, {**body, "price": {"model": "x"}, "reason": ""})) == [
        ("/price/model", "unknown_model"),
        ("/reason", "blank"),
    ]


def test_cards_are_the_platforms(finance):
    acme, globex = make_workspace("Acme"), make_workspace("Globex")
    card = made(finance)
    bound = ApiClient("prices:write", "billing:read", workspace_id=acme.pk)

    assert refusal(bound.get(f"rate-cards/{card['id']}/")) == (404, "not_found")
    assert bound.get("rate-cards/").json()["results"] == []
    assert refusal(bound.post("rate-cards/", {"name": "Mine", "currency": "USD"})) == (
        403,
        "key_is_bound",
    )
    assert refusal(bound.get(f"workspaces/{globex.pk}/pricing/")) == (404, "not_found")
    assert bound.get(f"workspaces/{acme.pk}/pricing/").status_code == 200
    assert refusal(ApiClient("billing:read").post("rate-cards/", {})) == (403, "missing_scope")
    override = {**MINUTES, "starts_on": "2026-11-25", "reason": "x"}
    assert refusal(bound.post(f"workspaces/{globex.pk}/price-overrides/", override)) == (
        404,
        "not_found",
    )


def test_a_drafts_rates_go_out_and_come_in_as_csv(finance):
    any_use = {"match": {}, "price": {"model": "cost_plus", "markup_percentage": "20"}}
    card = finance.post(
        "rate-cards/", {"name": "Sheet", "currency": "USD", "rates": [any_use]}
    ).json()
    path = f"rate-cards/{card['id']}/versions/1/csv/"
    head, line = finance.get(path).content.decode().splitlines()
    minutes = dict.fromkeys(head.split(","), "") | {
        "resource_type": "call_minutes",
        "price_model": "graduated",
        "included": "100",
        "tiers": "up to 1000: 0.02; above: 0.015",
    }
    sheet = "\n".join([head, line, ",".join(minutes.values())])

    def put(text: str):
        return finance.client.generic("PUT", f"/api/v1/{path}", text.encode(), "text/csv")

    answer = put(sheet)
    assert answer.status_code == 200, answer.content
    assert sorted(each["price"]["model"] for each in answer.json()["rates"]) == [
        "cost_plus",
        "graduated",
    ]
    refused = put(sheet.replace("0.015", "0.015x"))
    assert refused.status_code == 400
    assert "line 3" in problem_of(refused)["detail"]
