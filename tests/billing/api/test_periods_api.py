import datetime as dt
from uuid import uuid4

import pytest

from billing.models import BillingPeriod, PeriodCounter
from tests.kit.api import ApiClient, refusal
from tests.kit.personas import NOW, make_period, make_workspace

pytestmark = pytest.mark.django_db


def test_a_current_period_shows_live_totals():
    period = make_period(make_workspace())
    PeriodCounter.objects.filter(period=period, slot=2).update(final_cost="12.34")

    shown = ApiClient("billing:read").get(f"billing-periods/{period.pk}/").json()

    assert shown == {
        "id": str(period.pk),
        "workspace_id": str(period.workspace_id),
        "period_start": "2026-10-31T23:00:00Z",
        "period_end": "2026-11-30T23:00:00Z",
        "currency": "USD",
        "subtotal": "12.3400000000",
        "subscription_fee": "49.00",
        "add_on_fees": "0.0000000000",
        "discounts": "0.0000000000",
        "commitment_shortfall": "0.0000000000",
        "manual_items": "0.0000000000",
        "credit_brought_forward": "0.0000000000",
        "reversals_credited": "0.0000000000",
        "adjustment": "0.0000000000",
        "total_amount": "61.3400000000",
        "charges": [
            {
                "kind": "subscription",
                "description": "Monthly Subscription",
                "quantity": "1",
                "unit_price": "49.00",
                "first_day": "2026-11-01",
                "last_day": "2026-11-30",
                "days": 30,
                "of_days": 30,
                "amount": "49.0000000000",
            }
        ],
        "status": "current",
        "stripe_invoice_id": None,
        "finalized_at": None,
        "paid_at": None,
    }


def test_the_fee_has_the_decimals_of_its_currency():
    period = make_period(make_workspace(currency="JPY"))

    shown = ApiClient("billing:read").get(f"billing-periods/{period.pk}/").json()

    assert (shown["subscription_fee"], shown["total_amount"]) == ("7000", "7000.0000000000")


def test_periods_are_filtered_and_listed_in_three_queries(django_assert_num_queries):
    acme, globex = make_workspace("Acme"), make_workspace("Globex")
    october = dt.datetime(2026, 10, 10, tzinfo=dt.UTC)
    periods = [make_period(acme), make_period(acme, october), make_period(globex)]
    BillingPeriod.objects.filter(pk=periods[1].pk).update(status="finalized", finalized_at=NOW)
    caller = ApiClient("billing:read")

    def found(**query: object) -> list[str]:
        return [row["id"] for row in caller.get("billing-periods/", **query).json()["results"]]

    assert found(workspace_id=acme.pk) == [str(periods[0].pk), str(periods[1].pk)]
    assert found(status="finalized") == [str(periods[1].pk)]
    assert found(workspace_id=acme.pk, ended_before="2026-11-01T00:00:00+01:00") == [
        str(periods[1].pk)
    ]
    assert found(workspace_id=uuid4()) == []
    # Periods, the terms of those that run, what was frozen of those that are closed.
    with django_assert_num_queries(3):
        assert len(found()) == 3


@pytest.mark.parametrize(
    "query",
    [{"workspace_id": "1"}, {"status": "closed"}, {"ended_before": "2026-11-01T00:00:00"}],
)
def test_bad_filters_are_refused(query):
    assert refusal(ApiClient("billing:read").get("billing-periods/", **query)) == (
        400,
        "invalid_parameter",
    )


def test_another_workspaces_period_does_not_exist():
    acme, globex = make_workspace("Acme"), make_workspace("Globex")
    mine, theirs = make_period(acme), make_period(globex)
    caller = ApiClient(workspace_id=acme.pk)

    assert caller.get(f"billing-periods/{mine.pk}/").status_code == 200
    assert refusal(caller.get(f"billing-periods/{theirs.pk}/")) == (404, "not_found")
    listed = caller.get("billing-periods/").json()["results"]
    assert [row["id"] for row in listed] == [str(mine.pk)]
    assert caller.get("billing-periods/", workspace_id=globex.pk).json()["results"] == []


def test_periods_need_the_billing_scope():
    caller = ApiClient("usage:read", "usage:write", "workspaces:write")

    assert refusal(caller.get("billing-periods/")) == (403, "missing_scope")
    assert refusal(caller.get(f"billing-periods/{uuid4()}/")) == (403, "missing_scope")
