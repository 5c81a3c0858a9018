"""A month closed before its end: what is used until then counts in the month that follows."""

import datetime as dt
from decimal import Decimal

import pytest
import time_machine
from django.core.cache import cache
from django.utils import timezone as clock

from analytics.finance.figures import overview
from billing.models import BillingPeriod, Email
from billing.services.workspaces import update_billing_settings
from tests.kit.api import ApiClient, refusal
from tests.kit.personas import make_agent, make_period, make_workspace, member_client
from tests.kit.usage import make_usage
from usage.models import VoiceAgent

pytestmark = pytest.mark.django_db
NOVEMBER_10 = dt.datetime(2026, 11, 10, 12, tzinfo=dt.UTC)
NOVEMBER_12 = dt.datetime(2026, 11, 12, 12, tzinfo=dt.UTC)
DECEMBER_2 = dt.datetime(2026, 12, 2, 12, tzinfo=dt.UTC)


@pytest.fixture
def caller():
    return ApiClient()


@pytest.fixture
def acme(caller):
    """A limit of 100 dollars, 90 of them spent when November is closed on its tenth."""
    made = make_workspace("Acme")
    make_agent(made, "Reception")
    update_billing_settings(
        workspace_id=made.pk, changes={"usage_limit_monthly": Decimal(100)}, now=NOVEMBER_10
    )
    make_usage(made, NOVEMBER_10, "75", "1")
    with time_machine.travel(NOVEMBER_10, tick=False):
        november = make_period(made, NOVEMBER_10)
        answer = caller.post(f"billing-periods/{november.pk}/finalize/", {"force": True})
    assert answer.json()["total_amount"] == "139.0000000000"
    return made


@pytest.fixture
def two_days_later(acme):
    with time_machine.travel(NOVEMBER_12, tick=False):
        yield


def december() -> BillingPeriod:
    return BillingPeriod.objects.get(status="current")


def spend(caller, owner, dollars: str) -> dict:
    body = {
        "idempotency_key": f"{dollars} at {clock.now()}",
        "workspace_id": str(owner.pk),
        "resource_type": "call_minutes",
        "provider": "twilio",
        "quantity": str(Decimal(dollars) / Decimal("1.2")),
        "unit_cost": "1",
    }
    answer = caller.post("usage/", body)
    assert answer.status_code == 201, answer.content
    return answer.json()


@pytest.mark.usefixtures("two_days_later")
def test_the_limit_holds_for_what_is_used_after_the_close(acme, caller):
    path = f"workspaces/{acme.pk}/admission/"
    assert caller.get(path).json()["remaining"] == "100.0000000000"

    assert spend(caller, acme, "60")["billing_period_id"] == str(december().pk)
    assert caller.get(path).json() == {
        "allowed": True,
        "reason": None,
        "remaining": "40.0000000000",
    }
    spend(caller, acme, "42")

    assert caller.get(path).json()["reason"] == "usage_limit"
    assert VoiceAgent.objects.get().paused_reason == "usage_limit"
    subjects = Email.objects.filter(kind__startswith="limit").order_by("requested_at", "subject")
    assert [mail.subject for mail in subjects] == [
        "Acme has used 90% of its usage limit for November 2026",
        "Acme has reached its usage limit for December 2026",
    ]


@pytest.mark.usefixtures("two_days_later")
def test_agents_at_the_limit_come_back_with_the_close(acme, caller):
    spend(caller, acme, "120")
    assert VoiceAgent.objects.get().status == "paused"

    refused = caller.post(f"billing-periods/{december().pk}/finalize/", {"force": True})

    # December has not begun: closing it too would bill its fee and open January.
    assert refusal(refused) == (409, "period_not_started")
    assert BillingPeriod.objects.count() == 2
    assert VoiceAgent.objects.get().status == "paused"


def test_agents_paused_when_a_month_is_closed_early_go_on_in_the_next(caller):
    globex = make_workspace("Globex", usage_limit_monthly="10")
    make_agent(globex, "Reception")
    make_usage(globex, NOVEMBER_10, "10", "1")
    assert VoiceAgent.objects.get().status == "paused"
    november = make_period(globex, NOVEMBER_10)
    # The next month is there already, opened by a use in the last minutes of a month, say.
    make_period(globex, DECEMBER_2)

    with time_machine.travel(NOVEMBER_10, tick=False):
        caller.post(f"billing-periods/{november.pk}/finalize/", {"force": True})

    assert VoiceAgent.objects.get().status == "live"


@pytest.mark.usefixtures("two_days_later")
def test_the_summary_without_a_period_is_that_of_the_month_that_counts(acme, caller):
    spend(caller, acme, "6")

    summary = caller.get(f"workspaces/{acme.pk}/usage-summary/").json()

    assert summary["billing_period_id"] == str(december().pk)
    assert summary["period_start"] == "2026-11-30T23:00:00Z"
    assert (summary["status"], summary["subtotal"]) == ("current", "6.0000000000")
    assert summary["total_amount"] == "55.0000000000"


@pytest.mark.usefixtures("two_days_later")
@pytest.mark.parametrize("used", [False, True])
def test_the_owner_sees_the_month_that_counts_and_no_forecast_for_the_closed_one(
    acme, caller, used
):
    if used:
        spend(caller, acme, "90")
    client = member_client(acme)

    shown = client.get(f"/w/{acme.pk}/")

    assert shown.status_code == 200
    assert shown.context["period"] == december()
    page = shown.content.decode()
    assert "The period begins on 1 December." in page
    assert "billed with this one" in page
    assert shown.context["forecast"] is None
    assert shown.context["meter"].spend == (90 if used else 0)
    assert ("90% of the usage limit is used." in page) == used

    november = BillingPeriod.objects.get(status="finalized")
    old = client.get(f"/w/{acme.pk}/?period={november.pk}")
    assert old.status_code == 200
    assert (old.context["forecast"], old.context["meter"]) == (None, None)
    assert "Bill so far" not in old.content.decode()


@pytest.mark.usefixtures("two_days_later")
def test_finance_sees_the_workspace_in_what_has_come_in_so_far(acme, caller):
    spend(caller, acme, "6")
    cache.clear()

    found = overview(now=NOVEMBER_12)
    (month,) = found.months

    # November with its fee, closed early, and what counts in December with its own.
    assert (month.workspaces, month.usage, month.fees) == (1, 90 + 6, 49 + 49)
    assert [row.price for row in found.margins.by_provider] == [96]


def test_in_december_all_of_it_is_billed_once(acme, caller):
    with time_machine.travel(NOVEMBER_12, tick=False):
        spend(caller, acme, "6")
    with time_machine.travel(DECEMBER_2, tick=False):
        spend(caller, acme, "12")
        answer = caller.post(f"billing-periods/{december().pk}/finalize/", {"force": True})

    items = answer.json()["invoice"]["items"]
    assert [(item["description"], item["amount"]) for item in items] == [
        ("Monthly Subscription", "49.00"),
        ("Call Minutes", "12.00"),
        ("Late usage, November 2026", "6.00"),
    ]
