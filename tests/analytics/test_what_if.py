"""What past months would have come to by other prices and costs, worked by hand."""

import datetime as dt
from dataclasses import replace
from decimal import Decimal

import pytest

from analytics import what_if as module
from analytics.what_if import CostChange, Proposal, what_if
from analytics.what_if_costs import NoRateOfDay
from analytics.what_if_sums import NeedsRecords, WhatIfScope
from billing.pricing import Matched
from billing.services.exchange_rates import NewExchangeRate, set_exchange_rates
from billing.services.provider_costs import NewCost
from tests.kit.api import ApiClient, refusal
from tests.kit.kept import fresh, made_once
from tests.kit.personas import make_workspace
from tests.kit.prices import ANY, card, cost_plus, override, per_unit, published, rate, use
from tests.kit.staff import finance_client
from tests.kit.usage import make_usage
from usage.models import UsageRecord
from usage.services.true_ups import true_up_record
from usage.services.voiding import void_record

pytestmark = pytest.mark.django_db
D = Decimal
DECEMBER_1 = dt.date(2026, 12, 1)
DECEMBER_5 = dt.datetime(2026, 12, 5, 12, tzinfo=dt.UTC)
DECEMBER = WhatIfScope("USD", DECEMBER_1, dt.date(2027, 1, 1))
GRADUATED = {
    "model": "graduated",
    "tiers": [{"up_to": "1000", "unit_price": "0.02"}, {"up_to": None, "unit_price": "0.015"}],
}


@made_once
def made():
    """Acme used 1,500 minutes and a unit of storage at cost plus 20 %, Globex 100 minutes."""
    acme, globex = make_workspace("Acme"), make_workspace("Globex")
    make_usage(acme, DECEMBER_5, "900", "0.0125")
    make_usage(acme, DECEMBER_5, "600", "0.0125", provider="telnyx")
    make_usage(acme, DECEMBER_5, "1", "10", resource_type="storage", provider="aws")
    make_usage(globex, DECEMBER_5, "100", "0.0125")
    make_usage(make_workspace("Initech", currency="EUR"), DECEMBER_5, "100", "1")
    return acme, globex


@pytest.fixture(autouse=True)
def december(made):
    return [fresh(each) for each in made]


def paid(found, of: str = "by_workspace") -> dict[str, tuple[Decimal, Decimal]]:
    return {each.name: (each.now.revenue, each.then.revenue) for each in getattr(found, of)}


def test_a_price_with_tiers_counts_each_months_whole_quantity():
    found = what_if(DECEMBER, Proposal(rates=[rate(GRADUATED, "call_minutes")]))

    # 1,500 x 0.0125 x 1.2 and 12; by tiers 20 and 7.5. Globex: 1.5, by tiers 2.
    assert paid(found) == {"Acme": (D("34.5"), D("39.5")), "Globex": (D("1.5"), D("2"))}
    assert paid(found, "by_resource_type") == {
        "call_minutes": (D("24"), D("29.5")),
        "storage": (D(12), D(12)),
    }
    assert found.total.now.margin == D("6.0")
    assert found.total.then.margin == D("11.5")
    assert (found.paying_more, found.paying_less) == (2, 0)
    assert sum((each.then.revenue for each in found.by_provider), D(0)) == D("41.5")
    assert (found.records, found.from_records) == (4, 0)


def test_another_markup_is_for_what_was_priced_by_one():
    found = what_if(DECEMBER, Proposal(markup=D(10)))

    assert paid(found) == {"Acme": (D("34.5"), D("31.625")), "Globex": (D("1.5"), D("1.375"))}
    assert found.paying_less == 2


def test_other_costs_move_prices_from_the_cost_with_them():
    found = what_if(
        DECEMBER, Proposal(costs=[CostChange(Matched("call_minutes", "telnyx", ""), D(-10))])
    )

    # 600 x 0.0125 = 7.5 cost 0.75 less, and are sold for 0.9 less.
    assert found.total.now.cost - found.total.then.cost == D("0.75")
    assert found.total.difference == D("-0.9")


def test_what_an_override_priced_stays_and_present_tiers_are_what_was_paid(december):
    acme, globex = december
    january = dt.datetime(2027, 1, 5, 12, tzinfo=dt.UTC)
    first = dt.date(2027, 1, 1)
    use(published(rate(GRADUATED, "call_minutes"), day=first), acme.pk, day=first)
    override(globex.pk, rate(per_unit("0.01"), "call_minutes"), starts_on=first)
    make_usage(acme, january, "1500", "0.0125")
    make_usage(globex, january, "100", "0.0125")

    found = what_if(
        WhatIfScope("USD", first, dt.date(2027, 2, 1)), Proposal(rates=[rate(per_unit("0.03"))])
    )

    assert paid(found) == {"Acme": (D("27.5"), D(45)), "Globex": (D(1), D(1))}


def test_increments_and_minimums_are_computed_from_the_records(december):
    acme, _ = december
    make_usage(acme, DECEMBER_5, "0.31", "0.0125", key="short")
    record = UsageRecord.objects.get(idempotency_key="short")
    void_record(workspace_id=acme.pk, record_id=record.pk, reason="wrong", now=DECEMBER_5)
    make_usage(acme, DECEMBER_5, "3.21", "0.0125")
    steps = {"first": "0.5", "step": "0.1"}
    price = per_unit("0.1", increment=steps, fixed="0.01", max_amount="50")

    found = what_if(DECEMBER, Proposal(rates=[rate(price, "call_minutes")]))

    # 50 (of 90.01), 50 (of 60.01) and 0.34; the short one is taken back.
    assert paid(found, "by_resource_type")["call_minutes"][1] == D("110.35")
    assert found.from_records == 6


def trued_up(workspace, quantity: str, estimated: str, final: str) -> None:
    make_usage(
        workspace, DECEMBER_5, quantity, estimated, key=f"e{quantity}", cost_state="estimated"
    )
    record = UsageRecord.objects.get(idempotency_key=f"e{quantity}")
    true_up_record(
        workspace_id=workspace.pk, record_id=record.pk, unit_cost=D(final), now=DECEMBER_5
    )


def test_true_ups_count_at_the_cost_that_they_make_final(december):
    acme, _ = december
    trued_up(acme, "10", "0.01", "0.03")
    trued_up(acme, "20", "0.01", "0.02")
    taken_back = UsageRecord.objects.get(idempotency_key="e20")
    void_record(workspace_id=acme.pk, record_id=taken_back.pk, reason="wrong", now=DECEMBER_5)
    only = replace(DECEMBER, workspace_ids=[acme.pk])

    by_records = what_if(only, Proposal(rates=[rate(cost_plus("20", fixed="1"), "call_minutes")]))
    by_units = what_if(only, Proposal(rates=[rate(per_unit("1", fixed="1"), "call_minutes")]))

    # 1,500 minutes were sold for 22.5 and ten for 0.36, in three records.
    assert by_records.total.now.revenue == D("22.5") + D(12) + D("0.36")
    assert by_records.total.difference == D(3)
    assert by_units.total.then.revenue == D(1510) + D(3) + D(12)


def tried(unit_cost: str, resource_type: str = "", **more) -> NewCost:
    return NewCost("twilio", D(unit_cost), "USD", DECEMBER_1, resource_type)._replace(**more)


def test_another_cost_card_moves_prices_from_the_cost_with_it(december):
    _, globex = december
    mine = tried("0.04", "call_minutes", workspace_id=globex.pk)

    found = what_if(DECEMBER, Proposal(cost_card=[tried("0.02"), mine]))

    # 900 at 0.02 instead of 0.0125, and Globex' 100 at 0.04; a fifth on top.
    assert found.total.then.cost - found.total.now.cost == D("6.75") + D("2.75")
    assert paid(found) == {"Acme": (D("34.5"), D("42.6")), "Globex": (D("1.5"), D("4.8"))}
    assert found.from_records == 2


def test_a_cost_in_another_currency_is_worth_what_it_was_on_each_day():
    for day, worth in ((1, "1.1"), (5, "1.2")):
        set_exchange_rates(
            rates=[NewExchangeRate("EUR", "USD", dt.date(2026, 12, day), D(worth))], now=DECEMBER_5
        )
    rates = [rate(per_unit("0.05"), "call_minutes")]

    found = what_if(DECEMBER, Proposal(rates, cost_card=[tried("0.01", currency="EUR")]))

    twilio = next(each for each in found.by_provider if each.name == "twilio")
    assert twilio.then.cost == D("12")
    assert twilio.then.revenue == D(50)
    assert found.from_records == 0
    with pytest.raises(NoRateOfDay, match="from GBP into USD for 2026-12-05"):
        what_if(DECEMBER, Proposal(rates, cost_card=[tried("0.01", currency="GBP")]))


def test_a_cost_of_a_model_is_refused_with_the_reason():
    with pytest.raises(NeedsRecords, match="a model of twilio's call_minutes"):
        what_if(DECEMBER, Proposal(cost_card=[tried("1", "call_minutes", model="a")]))


def test_a_cost_card_over_http_and_on_the_page():
    row = {"provider": "Twilio", "currency": "USD", "unit_cost": "0.02"}
    body = {"first_month": "2026-12-01", "last_month": "2026-12-01", "currency": "USD"}
    api = ApiClient("prices:write")

    found = api.post("prices/what-if/", {**body, "cost_card": [row]}).json()

    assert found["total"]["then"]["cost"] == "37.5000000000"
    bad = api.post("prices/what-if/", {**body, "cost_card": [{**row, "currency": "usd?"}]})
    assert bad.json()["errors"][0]["pointer"] == "/cost_card/0/currency"
    asked = {"currency": "USD", "first": "2026-12", "last": "2026-12"}
    sheet = "provider,currency,unit_cost\ntwilio,USD,0.02\n"
    finance = finance_client()
    page = finance.post("/admin/what-if/", {**asked, "costs": sheet}).content.decode()
    assert "2 pay more" in page
    page = finance.post("/admin/what-if/", {**asked, "costs": "provider,currency\ntwilio,EU\n"})
    assert "line 2" in page.content.decode()


def test_too_many_records_are_refused_with_the_reason(monkeypatch):
    monkeypatch.setattr(module, "MAX_RECORDS", 2)
    price = per_unit("0.1", increment={"step": "1"})

    with pytest.raises(NeedsRecords, match=r"increments of single records.*here are 3"):
        what_if(DECEMBER, Proposal(rates=[rate(price, "call_minutes")]))


def test_rates_for_a_model_are_refused_with_the_reason():
    with pytest.raises(NeedsRecords, match="for a model of call_minutes"):
        what_if(DECEMBER, Proposal(rates=[rate(per_unit("1"), "call_minutes", "twilio", "a")]))


def test_over_http_with_a_draft(december):
    acme, _ = december
    draft = card(rate(GRADUATED, "call_minutes"), rate(cost_plus("20"), *ANY))
    body = {
        "first_month": "2026-12-01",
        "last_month": "2026-12-01",
        "card_id": str(draft.pk),
        "version": 1,
    }
    api = ApiClient("prices:write")

    found = api.post("prices/what-if/", body).json()

    assert (found["currency"], found["paying_more"]) == ("USD", 2)
    assert found["total"]["difference"] == "5.5000000000"
    assert found["by_workspace"][0]["name"] == "Acme"
    assert found["by_workspace"][0]["then"]["revenue"] == "39.5000000000"
    assert api.post("prices/what-if/", {**body, "affected_only": True}).json()["records"] == 0
    only = api.post("prices/what-if/", {**body, "workspace_ids": [str(acme.pk)]}).json()
    assert only["records"] == 3


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"first_month": "2026-12-02"}, (400, "not_a_months_first")),
        ({"last_month": "2026-11-01"}, (400, "before_first")),
        ({"first_month": "9999-12-01", "last_month": "9999-12-01"}, (400, "invalid")),
        ({"first_month": "0001-01-01"}, (400, "invalid")),
        ({"first_month": "2020-01-01"}, (400, "too_many_months")),
        ({"currency": "XXX"}, (400, "unknown_currency")),
        ({"markup_percentage": None}, (400, "required")),
        ({"tier": "gold"}, (400, "unknown_tier")),
        ({"version": 1}, (400, "invalid")),
    ],
)
def test_bad_questions_are_refused(more, expected):
    body = {
        "first_month": "2026-12-01",
        "last_month": "2026-12-01",
        "currency": "USD",
        "markup_percentage": "10",
        **more,
    }
    body = {name: value for name, value in body.items() if value is not None}

    assert refusal(ApiClient("prices:write").post("prices/what-if/", body)) == expected


def test_it_takes_the_scope_and_no_bound_key(december):
    acme, _ = december
    body = {"first_month": "2026-12-01", "last_month": "2026-12-01", "currency": "USD"}
    assert ApiClient("billing:read").post("prices/what-if/", body).status_code == 403
    bound = ApiClient("prices:write", workspace_id=acme.pk)
    assert refusal(bound.post("prices/what-if/", body)) == (403, "key_is_bound")


def test_the_page_says_who_would_pay_more(december):
    draft = card(rate(GRADUATED, "call_minutes"), rate(cost_plus("20"), *ANY))
    version = draft.versions.get()

    page = finance_client().get(
        "/admin/what-if/", {"version": version.pk, "first": "2026-12", "last": "2026-12"}
    )

    text = page.content.decode()
    assert "2 pay more" in text
    assert "$39.50" in text
    assert f"Publish {version} from a day on" in text


def test_the_page_refuses_months_outside_of_any_calendar_that_counts():
    asked = {"markup": "10", "currency": "USD", "first": "9999-12", "last": "9999-12"}

    page = finance_client().get("/admin/what-if/", asked)

    assert page.status_code == 200
    assert page.content.decode().count("Choose a day before 3000.") == 2
