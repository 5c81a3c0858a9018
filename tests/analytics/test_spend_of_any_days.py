"""Spend of any days beside others: what the address means, and where bars and rows lead."""

import datetime as dt
import re
from decimal import Decimal

import pytest
from django.http import QueryDict
from django.test import Client
from django.urls import reverse

from analytics.range_view import heat_map
from analytics.ranges import DayRange, RangeForm
from billing.models import Workspace
from billing.services.workspaces import update_billing_settings
from tests.kit.personas import make_agent, make_workspace, member_client
from tests.kit.usage import make_call, make_usage
from usage.models import CallPriceRollup
from usage.services.call_prices import price_calls, rebuild_call_prices

TODAY = dt.date(2026, 11, 12)
NOON = dt.datetime(2026, 11, 2, 12, 0, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(f"2026-{text}")


@pytest.mark.parametrize(
    ("query", "first", "last", "before"),
    [
        ("", "11-01", "11-12", ("10-01", "10-12")),
        ("days=last_month", "10-01", "10-31", ("09-01", "09-30")),
        ("days=7", "11-06", "11-12", ("10-30", "11-05")),
        ("days=2026-02", "02-01", "02-28", ("01-01", "01-31")),
        ("day_from=2026-11-03&day_to=2026-11-05", "11-03", "11-05", ("10-31", "11-02")),
        ("days=7&compare=2026-08", "11-06", "11-12", ("08-01", "08-31")),
        ("days=7&with_from=2026-08-02&with_to=2026-08-03", "11-06", "11-12", ("08-02", "08-03")),
    ],
)
def test_the_address_says_which_days_and_which_to_compare_with(
    query: str, first: str, last: str, before: tuple[str, str]
) -> None:
    form = RangeForm(QueryDict(query), today=TODAY)
    assert form.is_valid(), form.errors
    assert form.span == DayRange(day(first), day(last))
    assert form.compared == DayRange(day(before[0]), day(before[1]))


def test_nothing_to_compare_with_is_a_choice_too() -> None:
    form = RangeForm(QueryDict("compare=nothing"), today=TODAY)
    assert form.is_valid()
    assert form.compared is None


@pytest.mark.parametrize(
    "query",
    [
        "days=yesterday",
        "days=dates",
        "day_from=2026-11-05",
        "day_from=2026-11-05&day_to=2026-11-03",
        "day_from=2020-01-01&day_to=2026-01-01",
        "day_from=0001-01-01&day_to=0001-01-02",
        "compare=dates&with_to=2026-01-01",
    ],
)
def test_days_that_are_none_are_refused(query: str) -> None:
    assert not RangeForm(QueryDict(query), today=TODAY).is_valid()


@pytest.fixture
def acme(db: None) -> Workspace:
    where = make_workspace("Acme")
    update_billing_settings(workspace_id=where.pk, changes={"markup_percentage": 0}, now=NOON)
    return where


def page_of(client: Client, acme: Workspace, query: str) -> str:
    answer = client.get(f"{reverse('analytics:spend', args=[acme.pk])}?{query}")
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", answer.content.decode())


def test_spend_of_days_beside_the_days_before_by_each_of_its_dimensions(acme: Workspace) -> None:
    desk = make_agent(acme, "Front desk")
    call = make_call(acme, NOON, agent=desk)
    make_usage(acme, NOON, "6", "1", call_id=call, agent_id=str(desk.pk), model="nova-3")
    make_usage(acme, NOON + 24 * HOUR, "4", "1", resource_type="synthesis", provider="elevenlabs")
    make_usage(acme, NOON - 48 * HOUR, "5", "1")
    page = page_of(member_client(acme), acme, "day_from=2026-11-02&day_to=2026-11-03")
    assert '<p class="figure-big">$10.00</p>' in page
    assert "$5.00 in 31 Oct 2026 – 1 Nov 2026 (+100.0%)" in page
    usage = f"{reverse('usage:records', args=[acme.pk])}?day_from=2026-11-02&amp;day_to=2026-11-03"
    for chosen in (
        "resource_type=call_minutes",
        "provider=elevenlabs",
        f"agent={desk.pk}",
        "model=nova-3",
    ):
        assert f"{usage}&amp;{chosen}" in page
    # A day of the chart's table leads to what was used on it.
    records = reverse("usage:records", args=[acme.pk])
    third = "day_from=2026-11-03&amp;day_to=2026-11-03"
    assert f'<a href="{records}?{third}">3 Nov 2026</a>' in page


def test_many_days_are_drawn_as_months(acme: Workspace) -> None:
    make_usage(acme, NOON, "6", "1")
    page = page_of(member_client(acme), acme, "day_from=2026-01-15&day_to=2026-11-10")
    assert "Spend by month" in page
    assert '?day_from=2026-11-01&amp;day_to=2026-11-10">Nov 2026' in page


def test_another_workspaces_spend_is_not_in_it(acme: Workspace) -> None:
    make_usage(make_workspace("Globex"), NOON, "6", "1")
    assert "No usage on these days" in page_of(member_client(acme), acme, "days=2026-11")


def test_hours_cost_what_their_calls_cost_however_often_they_are_summed(acme: Workspace) -> None:
    """On Berlin's clock: 13:00 on a Monday."""
    for minutes in ("2", "3"):
        make_usage(acme, NOON, minutes, "1", call_id=(call := make_call(acme, NOON)))
    price_calls(now=NOON + HOUR)
    price_calls(now=NOON + HOUR)
    make_usage(acme, NOON, "1", "1", call_id=call, now=NOON + 2 * HOUR)
    price_calls(now=NOON + 3 * HOUR)
    rows = CallPriceRollup.objects.values_list("local_date", "local_hour", "price")
    assert list(rows) == [(day("11-02"), 13, Decimal(6))]
    rebuild_call_prices(workspace_id=acme.pk)
    assert list(rows.all()) == [(day("11-02"), 13, Decimal(6))]
    heat = heat_map(acme.pk, DayRange(day("11-01"), day("11-30")), "USD")
    assert heat is not None
    name, cells = heat.hours[13]
    assert (name, cells[0].amount, cells[0].shade, cells[1].amount) == ("13:00", "$6.00", 8, "")
    assert heat.summary == "The most, $6.00, was spent on Mon from 13:00."


@pytest.mark.parametrize("days", [1, 20])
def test_a_range_takes_as_many_queries_for_a_day_as_for_twenty(
    acme: Workspace, days: int, django_assert_num_queries: object
) -> None:
    for turn in range(days):
        at = NOON + turn * 24 * HOUR
        make_usage(acme, at, "1", "1", call_id=make_call(acme, at))
    client = member_client(acme)
    page = reverse("analytics:spend", args=[acme.pk])
    client.get(page)
    # Session, user, memberships; spend and calls of both ranges; agents and models; hours;
    # whether prices of whole months are in it.
    with django_assert_num_queries(10):
        client.get(page, {"day_from": "2026-11-01", "day_to": "2026-11-30"})
