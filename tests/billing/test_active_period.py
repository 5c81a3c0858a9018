"""Which period counts now: the open one that usage of now enters, for everyone who asks."""

import datetime as dt
from uuid import UUID

import pytest
import time_machine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing import months
from billing.models import BillingPeriod, Workspace
from billing.queries import active_period, active_periods
from billing.services.periods import insert_periods, open_missing_periods, open_period
from billing.services.workspaces import create_workspace, update_workspace
from invoices.models import Invoice
from invoices.services.closing import finalize_period
from usage.services.ingest.pricing_terms import read_pricing_terms

pytestmark = pytest.mark.django_db
NOW = dt.datetime(2026, 11, 22, 9, 0, tzinfo=dt.UTC)
DECEMBER_1 = dt.datetime(2026, 11, 30, 23, tzinfo=dt.UTC)


def workspace(name: str = "acme") -> Workspace:
    made, _ = create_workspace(
        workspace_id=None,
        name=name,
        owner_email=f"owner@{name}.test",
        tier="starter",
        currency="USD",
        timezone="Europe/Berlin",
        now=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
    )
    return made


def active(of: Workspace, at: dt.datetime = NOW) -> str | None:
    found = active_period(workspace_id=of.pk, at=at)
    assert [each.pk for each in active_periods(at).filter(workspace=of)] == (
        [found.pk] if found else []
    )
    return found.label if found else None


def closed(of: Workspace, at: dt.datetime, *, now: dt.datetime = NOW) -> BillingPeriod:
    period = open_period(workspace_id=of.pk, at=at, now=now)
    return finalize_period(period_id=period.pk, now=now, force=True)


def test_the_month_that_holds_now_counts():
    acme = workspace()
    for at in (dt.datetime(2026, 10, 5, tzinfo=dt.UTC), NOW):
        open_period(workspace_id=acme.pk, at=at, now=NOW)

    assert active(acme) == "November 2026"
    assert active(acme, DECEMBER_1 - dt.timedelta(microseconds=1)) == "November 2026"
    assert active(acme, DECEMBER_1) is None


def test_after_an_early_close_the_month_that_follows_counts():
    acme = workspace()
    closed(acme, NOW)

    assert active(acme) == "December 2026"
    assert active(acme, DECEMBER_1) == "December 2026"


def test_a_workspace_with_nothing_open_has_none():
    acme, globex = workspace(), workspace("globex")
    update_workspace(workspace_id=acme.pk, changes={"status": "closed"}, now=NOW)
    closed(acme, NOW)

    assert active(acme) is None
    assert active(globex) is None


def test_one_that_comes_back_after_an_early_close_gets_the_month_that_follows():
    acme = workspace()
    update_workspace(workspace_id=acme.pk, changes={"status": "closed"}, now=NOW)
    closed(acme, NOW)
    assert open_missing_periods(now=NOW) == 0

    update_workspace(workspace_id=acme.pk, changes={"status": "active"}, now=NOW)

    assert (open_missing_periods(now=NOW), open_missing_periods(now=NOW)) == (1, 0)
    assert active(acme) == "December 2026"


# Months before and after now: not there, open, or closed.
_YEARS = st.dictionaries(st.integers(6, 12), st.booleans(), max_size=6)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(year=_YEARS, at=st.datetimes(dt.datetime(2026, 5, 1), dt.datetime(2027, 1, 31)))
def test_the_database_and_ingest_agree_on_what_usage_enters(db, year: dict[int, bool], at):
    at = at.replace(tzinfo=dt.UTC)
    acme = Workspace.objects.first() or workspace()
    BillingPeriod.objects.all().delete()
    for month, is_open in year.items():
        start, end = months.month_of(dt.datetime(2026, month, 15, tzinfo=dt.UTC), acme.zone)
        period = BillingPeriod(workspace=acme, tier=acme.tier, period_start=start, period_end=end)
        if not is_open:
            period.status, period.finalized_at = BillingPeriod.Status.FINALIZED, NOW
        insert_periods([period])

    place = read_pricing_terms([acme.pk.hex])[acme.pk.hex].period_day(at)

    found = active_period(workspace_id=acme.pk, at=at)
    assert (found and found.pk) == (place and UUID(place.period_id))


@pytest.mark.parametrize("of", ["before", "within"])
def test_a_month_that_was_over_before_the_workspace_was_made_has_no_fee(of: str):
    made = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
    acme = workspace()
    Workspace.objects.filter(pk=acme.pk).update(created_at=made)
    at = dt.datetime(2026, 10, 5, tzinfo=dt.UTC) if of == "before" else made
    fee = 0 if of == "before" else 49
    period = open_period(workspace_id=acme.pk, at=at, now=NOW)

    with time_machine.travel(DECEMBER_1, tick=False):
        shown = active_period(workspace_id=acme.pk, at=at)
        bill = finalize_period(period_id=period.pk, now=DECEMBER_1)

    assert shown is not None
    assert (shown.live_fee, shown.live_total) == (fee, fee)
    assert (bill.subscription_fee, bill.total_amount) == (fee, fee)
    assert Invoice.objects.filter(billing_period=bill).exists() == (fee > 0)
