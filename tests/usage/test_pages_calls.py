"""Calls with their receipts, and agents with the reason why they stand still."""

import datetime as dt
import re
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone as clock

from billing.models import Workspace
from billing.services.workspaces import update_billing_settings
from tests.kit.personas import make_agent, make_workspace, member_client
from tests.kit.usage import make_call, make_usage
from usage.services.call_prices import price_calls

pytestmark = pytest.mark.django_db
MONDAY = dt.datetime(2026, 11, 2, 9, 30, tzinfo=dt.UTC)


def page_of(client: Client, name: str, *args: object, **chosen: str) -> str:
    return re.sub(r"\s+", " ", client.get(reverse(name, args=args), chosen).content.decode())


def call_with_usage(where: Workspace) -> object:
    call = make_call(where, MONDAY, seconds="195")
    make_usage(where, MONDAY, "3.25", "0.0125", call_id=call)
    make_usage(
        where,
        MONDAY,
        "1200",
        "0.00003",
        resource_type="synthesis",
        provider="elevenlabs",
        call_id=call,
    )
    return call


def test_calls_are_listed_with_duration_and_price_in_cents_exact_on_demand() -> None:
    acme = make_workspace("Acme")
    call_with_usage(acme)
    client = member_client(acme)
    page = page_of(client, "usage:calls", acme.pk)
    assert "2 Nov 2026, 10:30:00" in page
    assert "3 min 15 s" in page
    # 0.04875 + 0.0432
    assert '<td data-label="Price" class="num">$0.09</td>' in page
    assert "$0.09195" in page_of(client, "usage:calls", acme.pk, exact="1")


@pytest.mark.parametrize("sort", ["", "-price"])
def test_a_call_is_found_by_the_first_eight_characters_of_its_id(sort: str) -> None:
    acme, globex = make_workspace("Acme"), make_workspace("Globex")
    wanted = UUID("0badcafe-0000-4000-8000-000000000001")
    for owner, call, started in (
        (acme, wanted, MONDAY),
        (acme, UUID("0badcaff-0000-4000-8000-000000000002"), MONDAY),
        (globex, UUID("0badcafe-0000-4000-8000-000000000003"), MONDAY),
    ):
        make_usage(owner, started, "1", "1", call_id=make_call(owner, started, id=call))
    price_calls(now=clock.now())
    client = member_client(acme)

    page = page_of(client, "usage:calls", acme.pk, call="0BADCAFE", sort=sort)

    assert re.findall(r"/calls/([0-9a-f-]{36})/", page) == [str(wanted)]
    refused = client.get(reverse("usage:calls", args=[acme.pk]), {"call": "0badcaf"})
    assert refused.status_code == 422
    assert "Enter an id, or its first eight characters." in refused.content.decode()


def test_a_price_below_a_cent_is_not_shown_as_nothing() -> None:
    acme = make_workspace("Acme")
    make_usage(acme, MONDAY, "1", "0.001", call_id=make_call(acme, MONDAY))
    assert (
        "&lt;\N{NO-BREAK SPACE}$0.01"
        in member_client(acme).get(reverse("usage:calls", args=[acme.pk])).content.decode()
    )


def test_calls_are_filtered_by_how_they_ended_and_which_way_they_went() -> None:
    acme = make_workspace("Acme")
    make_call(acme, MONDAY)
    make_call(acme, MONDAY, status="busy", direction="outbound", seconds="4")
    client = member_client(acme)
    assert page_of(client, "usage:calls", acme.pk).count("<time ") == 2
    assert page_of(client, "usage:calls", acme.pk, status="busy").count("<time ") == 1
    assert page_of(client, "usage:calls", acme.pk, direction="inbound").count("<time ") == 1
    assert "Nothing matches" in page_of(client, "usage:calls", acme.pk, status="failed")


@pytest.mark.parametrize("calls", [1, 30])
def test_the_list_of_calls_takes_as_many_queries_for_one_as_for_thirty(
    calls: int, django_assert_num_queries: object
) -> None:
    acme = make_workspace("Acme")
    for _ in range(calls):
        make_call(acme, MONDAY)
    client = member_client(acme)
    client.get(reverse("usage:calls", args=[acme.pk]))
    # Session, user, memberships, agents and providers to choose, the page, what its calls cost.
    with django_assert_num_queries(7):
        client.get(reverse("usage:calls", args=[acme.pk]))
    # In the order of prices: these come with the page; as of when; prices of the whole period.
    price_calls(now=clock.now())
    with django_assert_num_queries(8):
        client.get(reverse("usage:calls", args=[acme.pk]), {"sort": "-price"})


def test_a_receipt_lists_each_use_and_their_exact_sum() -> None:
    acme = make_workspace("Acme")
    update_billing_settings(
        workspace_id=acme.pk, changes={"owners_see": "price_and_cost"}, now=MONDAY
    )
    page = page_of(member_client(acme), "usage:receipt", acme.pk, call_with_usage(acme))
    assert "2 records, in USD" in page
    assert "$0.040625" in page
    assert '<td data-label="Cost" class="num">$0.076625</td>' in page
    assert '<td data-label="Price" class="num">$0.09195</td>' in page


def test_a_receipt_can_come_before_its_call() -> None:
    acme = make_workspace("Acme")
    call = uuid4()
    make_usage(acme, MONDAY, "1", "1", call_id=call)
    page = page_of(member_client(acme), "usage:receipt", acme.pk, call)
    assert "the call itself has not been reported yet" in page
    assert "$1.20" in page


def test_a_call_without_usage_costs_nothing_so_far() -> None:
    acme = make_workspace("Acme")
    call = make_call(acme, MONDAY)
    assert "Nothing metered" in page_of(member_client(acme), "usage:receipt", acme.pk, call)


def test_anothers_receipt_does_not_exist() -> None:
    acme, globex = make_workspace("Acme"), make_workspace("Globex")
    call = call_with_usage(globex)
    client = member_client(acme)
    for where in (acme, globex):
        assert client.get(reverse("usage:receipt", args=[where.pk, call])).status_code == 404


def test_agents_say_why_they_are_paused_and_what_brings_them_back() -> None:
    acme = make_workspace("Acme")
    make_agent(acme, "Front desk", "paused", "usage_limit")
    make_agent(acme, "After hours", "paused", "manual")
    make_agent(acme, "Order line")
    page = page_of(member_client(acme), "usage:agents", acme.pk)
    assert "3 agents of this workspace" in page
    assert "The usage limit is reached; it comes back with the next period" in page
    assert "Paused by hand; it stays so until someone resumes it." in page
    live = page_of(member_client(acme), "usage:agents", acme.pk, status="live")
    assert "Order line" in live
    assert "Front desk" not in live


def test_many_agents_are_paged_at_the_same_cost(django_assert_num_queries: object) -> None:
    acme = make_workspace("Acme")
    for number in range(60):
        make_agent(acme, f"Agent {number:03}")
    client = member_client(acme)
    assert "Page 3 of 3" in page_of(client, "usage:agents", acme.pk, page="3")
    # Session, user, memberships, counts by status, how many, the page.
    with django_assert_num_queries(6):
        client.get(reverse("usage:agents", args=[acme.pk]))


def test_a_workspace_without_agents_is_told_where_they_come_from() -> None:
    acme = make_workspace("Acme")
    assert "No agents yet" in page_of(member_client(acme), "usage:agents", acme.pk)


def test_the_last_change_of_an_agent_is_when_it_was_paused_or_came_back(time_machine) -> None:
    acme = make_workspace("Acme", usage_limit_monthly="100")
    time_machine.move_to(dt.datetime(2026, 11, 5, 12, tzinfo=dt.UTC), tick=False)
    make_agent(acme, "Order line")
    for day, limit, status in ((6, "0", "Paused"), (8, "50", "Live")):
        time_machine.move_to(dt.datetime(2026, 11, day, 12, tzinfo=dt.UTC), tick=False)
        update_billing_settings(
            workspace_id=acme.pk, changes={"usage_limit_monthly": Decimal(limit)}, now=clock.now()
        )
        page = page_of(member_client(acme), "usage:agents", acme.pk)
        assert f"{status}</span>" in page
        assert f"{day} Nov 2026, 13:00" in page
