"""The owner's overview on 22 November 2026, 16:30 in Berlin."""

import datetime as dt
import json
import re

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from billing.models import Workspace
from tests.kit.invoices import issue_invoice
from tests.kit.personas import make_agent, make_period, make_workspace, member_client
from tests.kit.usage import make_call, make_usage

NOW = dt.datetime(2026, 11, 22, 15, 30, tzinfo=dt.UTC)
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _now() -> object:
    with time_machine.travel(NOW, tick=False):
        yield


def at(day: int, hour: int = 12, month: int = 11) -> dt.datetime:
    return dt.datetime(2026, month, day, hour, tzinfo=dt.UTC)


def page_of(client: Client, where: Workspace, **chosen: str) -> str:
    answer = client.get(reverse("analytics:dashboard", args=[where.pk]), chosen)
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", answer.content.decode())


def words_of(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page))


def november(where: Workspace) -> None:
    """240 of usage in November so far, 12 a day on the last seven whole days; 108 in October."""
    make_usage(where, at(10, month=10), "50", "1")  # 60
    make_usage(where, at(30, month=10), "40", "1")  # 48
    make_usage(where, at(2), "100", "1.2", resource_type="synthesis", provider="elevenlabs")
    for day in range(15, 22):
        make_usage(where, at(day), "10", "1")
    make_usage(where, at(22), "10", "1")


def test_spend_limit_fee_and_forecast_come_from_the_same_numbers() -> None:
    acme = make_workspace("Acme", usage_limit_monthly="300")
    november(acme)
    page = words_of(page_of(member_client(acme), acme))
    assert "$240.00 of $300.00" in page
    assert "80% of your limit" in page
    assert "$60.00 left Alert at $240.00" in page
    assert "Subscription, Starter $49.00 Total $289.00" in page
    # 12 a day and 60 left: five days from now.
    assert "($12.00 a day) the limit is reached on Friday, 27 November" in page
    # 8.3125 days of 12 to the end of November in Berlin: 240 + 99.75 + 49.
    assert "Projected at the end $388.75" in page


def test_this_period_is_compared_with_the_same_days_of_the_one_before() -> None:
    acme = make_workspace("Acme")
    november(acme)
    page = words_of(page_of(member_client(acme), acme))
    assert "It was $60.00 by this day in October (+300.0%)." in page


def test_spend_is_broken_down_with_quantities_shares_and_changes() -> None:
    acme = make_workspace("Acme")
    november(acme)
    page = page_of(member_client(acme), acme)
    text = words_of(page)
    assert "Voice Synthesis 100 characters $144.00 new" in text
    # 8 x 12 now, 60 by this day in October.
    assert "Call Minutes 80 min $96.00 +60.0%" in text
    assert "Twilio $96.00 +60.0%" in text
    assert 'aria-label="60.0%"' in page


def figure(page: str, key: str) -> dict[str, list[dict[str, object]]]:
    found = re.search(rf'<script id="{key}" type="application/json">(.*?)</script>', page)
    assert found is not None
    loaded: dict[str, list[dict[str, object]]] = json.loads(found[1])
    return loaded


def test_charts_are_exact_data_beside_a_table_with_the_same_numbers() -> None:
    acme = make_workspace("Acme", usage_limit_monthly="300")
    november(acme)
    page = page_of(member_client(acme), acme)
    bars = {bar["name"]: bar for bar in figure(page, "spend-by-day")["data"]}
    assert bars["Voice Synthesis"]["y"][1] == "144.00"
    assert bars["Call Minutes"]["x"][14] == "2026-11-15"
    assert "2 Nov 2026 $144.00 $0.00 $144.00" in words_of(page)
    lines = {line["name"]: line for line in figure(page, "spend-to-date")["data"]}
    assert lines["This period"]["y"][-1] == "240.00"
    assert lines["Limit"]["y"] == ["300.0000", "300.0000"]
    assert lines["October 2026"]["y"][-1] == "108.00"


def test_calls_are_counted_by_status_direction_hour_and_day() -> None:
    acme = make_workspace("Acme")
    november(acme)
    for minute in range(3):
        make_call(acme, at(3, 13) + dt.timedelta(minutes=minute), seconds="100")
    make_call(acme, at(4, 9), status="failed", direction="outbound", seconds="20")
    make_call(acme, at(4, 9, month=10))
    page = words_of(page_of(member_client(acme), acme))
    assert "Calls 4 1 in the same days of October" in page
    assert "Success rate 75.0%" in page
    assert "Call time 5 min 20 s" in page
    assert "Average call 1 min 20 s" in page
    assert "Usage per call $60.00" in page
    assert "Completed 3 75.0% Failed 1 25.0%" in page
    assert "Inbound 3 75.0% Outbound 1 25.0%" in page
    # 13:00 UTC is 14:00 in Berlin.
    assert "14:00 3 15:00 0" in page


def test_peak_hours_are_those_of_a_clock_with_a_quarter_hour_in_it() -> None:
    globex = make_workspace("Globex", timezone="Asia/Kathmandu")
    make_usage(globex, at(3, 18), "1", "1")
    make_call(globex, at(3, 18))
    page = words_of(page_of(member_client(globex), globex))
    assert "When calls start, Asia/Kathmandu time" in page
    assert "22:00 0 23:00 1" in page


def test_an_earlier_period_can_be_looked_at_as_it_was_billed() -> None:
    acme = make_workspace("Acme")
    november(acme)
    october = make_period(acme, at(15, month=10))
    issue_invoice(october, status="paid")
    page = words_of(page_of(member_client(acme), acme, period=str(october.pk)))
    assert "Usage in October 2026" in page
    assert "Total $157.00" in page
    assert "Invoice INV-2026-000001 of 2 November 2026." in page
    assert "Projected" not in page


def test_late_usage_is_named_where_it_is_billed() -> None:
    acme = make_workspace("Acme")
    issue_invoice(make_period(acme, at(15, month=10)))
    make_usage(acme, at(31, month=10), "5", "1", now=at(15))
    make_usage(acme, at(3), "10", "1")
    page = words_of(page_of(member_client(acme), acme))
    assert "$18.00" in page
    assert "$6.00 of this usage is from earlier months" in page


def test_a_workspace_over_its_limit_learns_what_stands_still_and_how_to_go_on() -> None:
    acme = make_workspace("Acme", usage_limit_monthly="100")
    november(acme)
    make_agent(acme, "Front desk", "paused", "usage_limit")
    page = page_of(member_client(acme), acme)
    assert "The usage limit is reached." in page
    assert "1 live agent was paused." in page
    assert "Nothing left" in page
    # Nothing is used while everything is paused: there is no pace to go by.
    assert "At the pace" not in page
    assert "Projected" not in page
    assert "Change the limit" in page
    assert "Change the limit" not in page_of(member_client(acme, role="viewer"), acme)


def test_a_suspended_workspace_learns_how_to_pay() -> None:
    acme = make_workspace("Acme")
    november(acme)
    pay = "https://invoice.stripe.com/i/acct_1/test_1"
    issue_invoice(make_period(acme, at(15, month=10)), status="overdue", hosted_invoice_url=pay)
    page = page_of(member_client(acme), acme)
    assert "There is no payment method to charge, and this workspace is suspended." in page
    assert "until this is paid: invoice INV-2026-000001 over $157.00." in page
    assert f'href="{pay}"' in page


def test_a_new_workspace_is_told_what_happens_next() -> None:
    acme = make_workspace("Acme")
    client = member_client(acme)
    assert "No billing period yet" in page_of(client, acme)
    make_period(acme, NOW)
    page = page_of(client, acme)
    assert "No usage in this period yet" in page
    assert "No invoices yet" in page


def test_a_period_of_another_workspace_does_not_exist() -> None:
    acme, globex = make_workspace("Acme"), make_workspace("Globex")
    theirs = make_period(globex, NOW)
    client = member_client(acme)
    page = reverse("analytics:dashboard", args=[acme.pk])
    assert client.get(page, {"period": str(theirs.pk)}).status_code == 404
    assert client.get(page, {"period": "nonsense"}).status_code == 404
    assert client.get(reverse("analytics:dashboard", args=[globex.pk])).status_code == 404


@pytest.mark.parametrize("days", [1, 20])
def test_the_overview_takes_the_same_queries_for_a_day_as_for_a_month(
    days: int, django_assert_num_queries: object
) -> None:
    acme = make_workspace("Acme", usage_limit_monthly="300")
    make_usage(acme, at(10, month=10), "1", "1")
    for day in range(1, days + 1):
        make_usage(acme, at(day), "1", "1")
        make_call(acme, at(day))
    client = member_client(acme)
    client.get(reverse("analytics:dashboard", args=[acme.pk]))
    # Session, user, memberships; periods, with which counts now, and their terms; invoices, what is
    # unpaid, a card that expires; spend, that of agents and models; calls of this period and the
    # one before, the dearest; whether Stripe takes the billing details and how many agents the
    # limit has paused; budgets, of which there are none.
    with django_assert_num_queries(15):
        client.get(reverse("analytics:dashboard", args=[acme.pk]))
