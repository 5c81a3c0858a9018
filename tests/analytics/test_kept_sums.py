"""Sums by agent and model of days gone by are kept, and never older than the records."""

import datetime as dt
from decimal import Decimal

import pytest
import time_machine
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from analytics.dimensions import cells_of_period, dimensions_of_period
from analytics.queries import spend_of_periods
from billing.models import BillingPeriod, Workspace
from tests.kit.personas import NOW, make_agent, make_workspace
from tests.kit.usage import make_usage
from usage.models import DimensionRollup
from usage.services.ledger import rebuild_rollups

pytestmark = pytest.mark.django_db(transaction=True)
# Of a unit that costs one, with the platform's markup.
PRICE = Decimal("1.2")
LONG_AGO, TODAY = NOW - dt.timedelta(days=12), NOW


@pytest.fixture
def acme():
    with time_machine.travel(NOW, tick=False):
        yield make_workspace()


def shown(workspace: Workspace) -> dict[str | None, Decimal]:
    period = BillingPeriod.objects.select_related("workspace").get(workspace=workspace)
    spend = spend_of_periods([period])[period.pk]
    found = dimensions_of_period(period, spend)
    cells = cells_of_period(period, spend, dt.date(2026, 11, 1), dt.date(2026, 12, 1))
    named = [each.cost for each in found.by_agent if each.agent_id]
    assert sum(cell.amount for cell in cells) == sum(named)
    return {each.name: each.cost / PRICE for each in found.by_agent}


def used(workspace: Workspace, agent, at: dt.datetime, quantity: str) -> None:
    make_usage(workspace, at, quantity, "1", agent_id=agent.pk)


def test_a_record_counts_at_once_of_whatever_day_it_is(acme):
    maria, jo = make_agent(acme, "Maria"), make_agent(acme, "Jo")
    used(acme, maria, LONG_AGO, "1")
    assert shown(acme) == {"Maria": 1}
    for agent, at, then in (
        (jo, TODAY, {"Maria": 1, "Jo": 2}),
        (jo, LONG_AGO, {"Maria": 1, "Jo": 4}),
        (maria, LONG_AGO, {"Maria": 3, "Jo": 4}),
        (maria, TODAY, {"Maria": 5, "Jo": 4}),
    ):
        used(acme, agent, at, "2")
        assert shown(acme) == shown(acme) == then


def test_days_gone_by_are_not_read_again(acme):
    used(acme, make_agent(acme, "Maria"), LONG_AGO, "1")
    shown(acme)
    with CaptureQueriesContext(connection) as asked:
        assert shown(acme) == {"Maria": 1}
    read = [each["sql"] for each in asked if "usage_dimensionrollup" in each["sql"]]
    assert len(read) == 2
    assert all("2026-11-21" in statement for statement in read)


def test_rollups_that_were_wrong_are_read_again_once_they_are_built_anew(acme):
    used(acme, make_agent(acme, "Maria"), LONG_AGO, "1")
    DimensionRollup.objects.update(final_cost=7 * PRICE)
    assert shown(acme) == {"Maria": 7, None: -6}
    rebuild_rollups(workspace_id=acme.pk)
    assert shown(acme) == {"Maria": 1}


def test_what_a_transaction_takes_back_was_kept_for_nobody(acme):
    maria, jo = make_agent(acme, "Maria"), make_agent(acme, "Jo")
    with transaction.atomic():
        used(acme, maria, LONG_AGO, "1")
        assert shown(acme) == {"Maria": 1}
        transaction.set_rollback(True)
    used(acme, jo, LONG_AGO, "1")
    assert shown(acme) == {"Jo": 1}
