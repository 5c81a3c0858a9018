import datetime as dt
from decimal import Decimal

import pytest

from billing.models import BillingPeriod, PeriodCounter, TierPrice
from billing.queries import active_period, with_totals
from billing.services.periods import open_period
from tests.kit.personas import make_workspace

pytestmark = pytest.mark.django_db
NOW = dt.datetime(2026, 11, 22, 9, 0, tzinfo=dt.UTC)


def count(period: BillingPeriod, slot: int, cost: str) -> None:
    PeriodCounter.objects.filter(period=period, slot=slot).update(final_cost=Decimal(cost))


def test_a_current_period_is_its_counters_plus_the_fee_and_the_credit():
    acme = make_workspace("Acme")
    period = open_period(workspace_id=acme.pk, at=NOW, now=NOW)
    count(period, 0, "10.0000000001")
    count(period, 7, "2.34")
    BillingPeriod.objects.update(credit_brought_forward="-1.5", total_amount="-1.5")

    found = active_period(workspace_id=acme.pk, at=NOW)

    assert found is not None
    assert found.live_subtotal == Decimal("12.3400000001")
    assert found.live_fee == Decimal("49.00")
    assert found.live_total == Decimal("59.8400000001")


def test_a_closed_period_keeps_its_figures_when_prices_change():
    acme = make_workspace("Acme")
    period = open_period(workspace_id=acme.pk, at=NOW, now=NOW)
    count(period, 0, "5")
    BillingPeriod.objects.update(
        status="finalized",
        finalized_at=NOW,
        subtotal="5",
        subscription_fee="49",
        total_amount="54",
    )
    TierPrice.objects.update(fee="99")

    found = with_totals(BillingPeriod.objects.all()).get()

    assert (found.live_subtotal, found.live_fee, found.live_total) == (5, 49, 54)


def test_many_periods_cost_two_queries(django_assert_num_queries):
    for name, currency in (("acme", "USD"), ("globex", "JPY"), ("initech", "EUR")):
        period = open_period(
            workspace_id=make_workspace(name, currency=currency).pk, at=NOW, now=NOW
        )
        count(period, 1, "1")

    with django_assert_num_queries(2):
        found = with_totals(BillingPeriod.objects.select_related("workspace"))
        totals = {period.workspace.name: period.live_total for period in found}

    assert totals == {"acme": 50, "globex": 7001, "initech": 50}


def test_the_end_of_a_period_belongs_to_the_next():
    acme = make_workspace("Acme")
    open_period(workspace_id=acme.pk, at=NOW, now=NOW)
    december = dt.datetime(2026, 11, 30, 23, 0, tzinfo=dt.UTC)

    assert active_period(workspace_id=acme.pk, at=december) is None
    before = december - dt.timedelta(microseconds=1)
    assert active_period(workspace_id=acme.pk, at=before) is not None
