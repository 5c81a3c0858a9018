"""Spend by agent and model: in the API, on the owner's pages, in CSV, and finance's margins."""

import datetime as dt
from decimal import Decimal

import pytest
import time_machine
from django.core.cache import cache

from analytics.finance import figures
from analytics.reports import REPORTS, ReportRequest
from billing.models import Workspace, WorkspaceBillingSettings
from tests.kit.api import ApiClient, refusal
from tests.kit.personas import NOW, make_agent, make_workspace, member_client
from tests.kit.prices import per_unit, published, rate, use
from tests.kit.usage import make_usage

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("noon")]
D = Decimal


@pytest.fixture
def noon():
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def api():
    return ApiClient()


def spent(api, owner, cost: str, **facts) -> None:
    """Usage that costs so much, sold with 20 % on top."""
    body = {
        "idempotency_key": f"{cost}{sorted(facts.items())}",
        "workspace_id": str(owner.pk),
        "resource_type": "llm_tokens",
        "provider": "openai",
        "quantity": "1",
        "unit_cost": cost,
        "occurred_at": NOW.isoformat(),
        **{name: str(value) for name, value in facts.items()},
    }
    answer = api.post("usage/", body)
    assert answer.status_code == 201, answer.content


@pytest.fixture
def acme(api):
    acme = make_workspace("Acme")
    reception, sales = make_agent(acme, "Reception"), make_agent(acme, "Sales")
    spent(api, acme, "10", agent_id=reception.pk, model="gpt-4o")
    spent(api, acme, "20", agent_id=sales.pk, model="gpt-4o")
    spent(api, acme, "5", agent_id=sales.pk)
    spent(api, acme, "1", model="o3")
    spent(api, acme, "2")
    globex = make_workspace("Globex")
    spent(api, globex, "100", agent_id=make_agent(globex, "Reception").pk, model="gpt-4o")
    return acme


def test_analytics_tell_agents_and_models_and_the_rest_apart(api, acme):
    body = api.get(f"workspaces/{acme.pk}/analytics/").json()

    assert [(each["name"], each["cost"]) for each in body["by_agent"]] == [
        ("Sales", "30.0000000000"),
        ("Reception", "12.0000000000"),
        (None, "3.6000000000"),
    ]
    assert body["by_agent"][2]["agent_id"] is None
    assert body["by_model"] == [
        {"model": "gpt-4o", "cost": "36.0000000000"},
        {"model": "o3", "cost": "1.2000000000"},
        {"model": None, "cost": "8.4000000000"},
    ]
    assert body["total_cost"] == "45.6000000000"
    other_days = api.get(f"workspaces/{acme.pk}/analytics/", **{"from": "2026-10-01"}).json()
    assert other_days["by_model"] == body["by_model"]
    october = {"from": "2026-10-01", "to": "2026-11-01"}
    assert api.get(f"workspaces/{acme.pk}/analytics/", **october).json()["by_agent"] == []


def test_who_names_neither_sees_neither(api):
    initech = make_workspace("Initech")
    spent(api, initech, "2")

    body = api.get(f"workspaces/{initech.pk}/analytics/").json()

    assert (body["by_agent"], body["by_model"]) == ([], [])
    page = member_client(initech).get(f"/w/{initech.pk}/").content.decode()
    assert "By agent" not in page
    assert "By model" not in page
    records = member_client(initech).get(f"/w/{initech.pk}/usage/").content.decode()
    assert "All agents" not in records


def test_records_are_listed_by_agent_and_model(api, acme):
    sales = acme.agents.get(name="Sales")

    def prices(**query) -> list[str]:
        found = api.get("usage/", workspace_id=acme.pk, **query).json()["results"]
        return sorted(each["final_cost"] for each in found)

    assert prices(agent_id=sales.pk) == ["24.0000000000", "6.0000000000"]
    assert prices(agent_id=sales.pk, model="GPT-4o") == ["24.0000000000"]
    assert prices(model="o3") == ["1.2000000000"]
    assert prices(model="o3", provider="twilio") == []
    assert prices(model="never") == []
    assert refusal(api.get("usage/", agent_id="sales"))[0] == 400
    everywhere = api.get("usage/", model="gpt-4o").json()["results"]
    assert len(everywhere) == 3


def test_the_owner_sees_spend_by_agent_and_model_that_adds_up(acme):
    page = member_client(acme).get(f"/w/{acme.pk}/").content.decode()

    assert "By agent" in page
    assert "By model" in page
    for text in ("Reception", "Sales", "No agent", "gpt-4o", "o3", "No model"):
        assert text in page
    sales = acme.agents.get(name="Sales")
    assert f"&amp;agent={sales.pk}" in page
    # What each of them costs the platform is not the owner's business.
    assert "25.00" not in page


def test_records_and_their_csv_are_chosen_by_agent_and_model(acme):
    client = member_client(acme)
    sales = acme.agents.get(name="Sales")

    page = client.get(f"/w/{acme.pk}/usage/", {"agent": sales.pk, "model": "gpt-4o"})
    csv = client.get(f"/w/{acme.pk}/usage.csv", {"agent": sales.pk, "model": "gpt-4o"})

    assert page.context["totals"]["records"] == 1
    assert page.context["totals"]["cost"] == D(24)
    head, *lines = b"".join(csv.streaming_content).decode("utf-8-sig").splitlines()
    assert head.endswith("rate_id,agent_id,model,whole_period_price")
    assert "total_cost" not in head
    (line,) = lines
    assert line.endswith(f",{sales.pk},gpt-4o,no")
    assert client.get(f"/w/{acme.pk}/usage/", {"agent": "nobody"}).status_code == 422
    other = make_agent(make_workspace("Initech"), "Theirs")
    assert client.get(f"/w/{acme.pk}/usage/", {"agent": other.pk}).status_code == 422


def test_what_included_units_take_off_is_in_every_margin(api, acme):
    """60 minutes at list, 6.00 of two agents and 1.20 of none, and 30 of them included: 3.60."""
    cache.delete("finance:overview:3")
    price = per_unit("0.12", included="30")
    month = NOW.date().replace(day=1)
    before = dt.datetime.combine(month, dt.time(), dt.UTC) - dt.timedelta(days=5)
    globex = Workspace.objects.get(name="Globex")
    use(
        published(rate(price, "call_minutes"), now=before, day=month),
        globex.pk,
        day=month,
        now=before,
    )
    make_usage(globex, NOW, "20", "0.05", agent_id=str(make_agent(globex, "Night").pk))
    make_usage(globex, NOW, "30", "0.05", agent_id=str(make_agent(globex, "Day").pk))
    make_usage(globex, NOW, "10", "0.05", provider="telnyx")

    margins = figures.overview(now=NOW + dt.timedelta(minutes=1)).margins

    rest = D(120)  # what Globex used before it had the card
    assert {row.name: row.price for row in margins.by_workspace}["Globex"] == rest + D("3.6")
    by_agent = {row.name: row.price for row in margins.by_agent}
    assert (by_agent["Night · Globex"], by_agent["Day · Globex"]) == (D("1.2"), D("1.8"))
    for rows in (margins.by_provider, margins.by_resource_type):
        assert sum(row.price for row in rows) == sum(row.price for row in margins.by_workspace)


def test_an_amount_a_month_without_list_prices_is_shared_out_by_records_everywhere(acme):
    cache.delete("finance:overview:3")
    price = {"model": "graduated", "tiers": [{"up_to": None, "unit_price": "0", "flat": "12"}]}
    month = NOW.date().replace(day=1)
    before = dt.datetime.combine(month, dt.time(), dt.UTC) - dt.timedelta(days=5)
    globex = Workspace.objects.get(name="Globex")
    use(
        published(rate(price, "call_minutes"), now=before, day=month),
        globex.pk,
        day=month,
        now=before,
    )
    night, day = (str(make_agent(globex, name).pk) for name in ("Night", "Day"))
    make_usage(globex, NOW, "20", "0.05", agent_id=night)
    for _ in range(2):
        make_usage(globex, NOW, "30", "0.05", agent_id=day)

    margins = figures.overview(now=NOW + dt.timedelta(minutes=1)).margins
    asked = ReportRequest(month, NOW.date(), NOW.date(), NOW, workspace_id=globex.pk)

    on_the_page = {row.name: row.price for row in margins.by_agent}
    assert (on_the_page["Night · Globex"], on_the_page["Day · Globex"]) == (4, 8)
    reported = {row["agent"]: row["price"] for row in REPORTS["margin-by-agent"].rows(asked)}
    assert (reported["Night"], reported["Day"]) == (4, 8)


def test_finance_sees_who_earns_least(api, acme):
    cache.delete("finance:overview:3")
    terms = WorkspaceBillingSettings.objects.get(workspace=acme)
    terms.markup_percentage = D(0)
    terms.save()
    spent(api, acme, "30", agent_id=acme.agents.get(name="Reception").pk)

    margins = figures.overview(now=NOW + dt.timedelta(minutes=1)).margins

    assert [(row.name, row.price, row.cost) for row in margins.by_workspace] == [
        ("Acme", D("75.6"), D(68)),
        ("Globex", D(120), D(100)),
    ]
    assert [(row.name, row.margin) for row in margins.by_agent] == [
        ("Reception · Acme", D(2)),
        ("Sales · Acme", D(5)),
        ("Reception · Globex", D(20)),
    ]
