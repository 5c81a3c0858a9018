"""Limits where prices depend on the whole month: reached by the net, and in time."""

import datetime as dt
import json
import random
import threading
import time
from decimal import Decimal
from uuid import UUID

import pytest
from django.db import connection

from billing.models import BillingPeriod, LimitAlert, PeriodCounter
from billing.money import ZERO
from billing.recorded_rates import prices_by_rate
from billing.services import rate_cards
from billing.services.workspaces import update_billing_settings
from invoices.services.ledger import close_differences
from tests.kit.personas import make_workspace
from tests.kit.prices import per_unit, publish, published, rate, use
from tests.kit.watching import watched
from usage.models import UsageRecord, VoiceAgent
from usage.queries.admission import admission_of
from usage.queries.meters import meter_adjustment
from usage.queries.net import adjustments_of
from usage.services.ingest import check_entries, record_usage, recording
from usage.services.ingest.parsing import usage_parser
from usage.services.ledger import usage_differences
from usage.services.limits import sweep_limits
from usage.services.voiding import void_record

# Outside of any transaction, as in a web process.
pytestmark = pytest.mark.django_db(transaction=True)
D = Decimal
DECEMBER = dt.date(2026, 12, 1)
NOW = dt.datetime(2026, 12, 5, 12, tzinfo=dt.UTC)
INCLUDED = per_unit("1", included="1000")
GRADUATED = {
    "model": "graduated",
    "tiers": [{"up_to": "500", "unit_price": "1"}, {"up_to": None, "unit_price": "0.5"}],
}
VOLUME = {**GRADUATED, "model": "volume"}
PACKAGE = {"model": "package", "size": "100", "price": "50"}
FLATS = {
    "model": "graduated",
    "tiers": [
        {"up_to": "100", "unit_price": "1", "flat": "300"},
        {"up_to": None, "unit_price": "0.5", "flat": "200"},
    ],
}


@pytest.fixture
def checks(monkeypatch) -> list[list[str]]:
    """The workspaces whose limits were checked, call by call."""
    seen = []
    check = recording.check_limits

    def watched(*, workspace_ids, now):
        seen.append(workspace_ids)
        return check(workspace_ids=workspace_ids, now=now)

    monkeypatch.setattr(recording, "check_limits", watched)
    return seen


def limited(price, name: str = "acme", **terms) -> UUID:
    """Pays so for call minutes and 1 for any other unit; 1,000 a month, told at 80 %."""
    owner = make_workspace(name).pk
    terms = {"usage_limit_monthly": D(1000), **terms}
    update_billing_settings(workspace_id=owner, changes=terms, now=NOW)
    card = published(
        rate(price, "call_minutes"), rate(per_unit("1")), name=f"Card of {name}", day=DECEMBER
    )
    use(card, owner, day=DECEMBER)
    return owner


_numbers = iter(range(10**9))


def spend(owner: UUID, *uses: tuple[str, str]) -> UUID:
    """One batch of (resource type, quantity); the first record's id."""
    lines = [
        json.dumps(
            {
                "idempotency_key": f"{next(_numbers)}",
                "workspace_id": str(owner),
                "resource_type": kind,
                "provider": "twilio",
                "quantity": quantity,
                "unit_cost": "0.0125",
                "occurred_at": NOW.isoformat(),
            }
        ).encode()
        for kind, quantity in uses
    ]
    records, errors = check_entries(usage_parser.lines(lines), now=NOW)
    recorded = record_usage(records, now=NOW)
    assert (errors, recorded.errors) == ([], [])
    return UUID(records[0].id)


def minutes(owner: UUID, *quantities: str) -> UUID:
    return spend(owner, *[("call_minutes", quantity) for quantity in quantities])


def alerts(owner: UUID) -> list[tuple[str, Decimal]]:
    rows = LimitAlert.objects.filter(workspace_id=owner).order_by("created_at", "-kind")
    return [(each.kind, each.spend) for each in rows]


def remaining(owner: UUID) -> Decimal | None:
    return admission_of(owner, NOW).remaining


def test_what_is_included_is_not_spent():
    acme = limited(INCLUDED)

    minutes(acme, "999")
    assert (alerts(acme), remaining(acme)) == ([], D(1000))
    minutes(acme, "801")

    assert alerts(acme) == [("threshold", D(800))]
    assert remaining(acme) == D(200)
    minutes(acme, "200")
    assert alerts(acme) == [("threshold", D(800)), ("limit", D(1000))]
    assert admission_of(acme, NOW) == (False, "usage_limit", D(0))


def test_the_limit_is_reached_to_the_last_digit_of_the_net():
    acme = limited(GRADUATED)

    minutes(acme, "1099.999998")
    assert alerts(acme) == []
    minutes(acme, "0.000002")
    assert alerts(acme) == [("threshold", D(800))]
    minutes(acme, "399.999998")
    assert len(alerts(acme)) == 1
    minutes(acme, "0.000002")
    assert alerts(acme)[1] == ("limit", D(1000))


def test_while_the_net_grows_within_list_prices_a_slot_keeps_its_allowance(checks):
    acme = limited(GRADUATED)
    minutes(acme, "10")
    assert checks == []

    minutes(acme, "20", "30")
    spend(acme, ("storage", "39"))

    # 800 until the alert: a hundred for each slot, at list price.
    assert checks == []
    spend(acme, ("storage", "1"))
    assert len(checks) == 1


@pytest.mark.parametrize("price", [PACKAGE, FLATS])
def test_what_may_add_more_than_its_list_price_is_always_looked_at(price, checks):
    acme = limited(price)
    minutes(acme, "0.5")
    minutes(acme, "0.5")
    assert len(checks) == 2

    spend(acme, ("storage", "1"))

    assert len(checks) == 2


def test_a_package_that_is_started_may_reach_the_limit():
    acme = limited(PACKAGE)
    spend(acme, ("storage", "760"))
    assert alerts(acme) == []

    # Half a cent at list price, and 50 for the package.
    minutes(acme, "0.01")

    assert alerts(acme) == [("threshold", D(810))]


def test_a_flat_amount_may_reach_the_limit_after_safe_usage_has_got_its_allowance():
    acme = limited(FLATS)
    spend(acme, ("storage", "10"))
    spend(acme, ("storage", "489"))
    assert alerts(acme) == []

    minutes(acme, "1")

    assert alerts(acme) == [("threshold", D(800))]


def test_a_void_gives_back_less_than_its_list_price_and_is_looked_at(checks):
    """1,000 minutes are 750. Without 500 of them it is 500, though list prices fell by 500: 299
    more of anything stay below the alert, and one more reaches it."""
    acme = limited(GRADUATED)
    minutes(acme, "500")
    second = minutes(acme, "500")
    void_record(workspace_id=acme, record_id=second, reason="wrong", now=NOW)
    assert remaining(acme) == D(500)

    spend(acme, ("storage", "299.999999"))
    assert alerts(acme) == []
    spend(acme, ("storage", "0.000001"))

    assert alerts(acme) == [("threshold", D(800))]


def test_a_void_may_raise_the_price_of_all_that_is_left():
    """900 minutes by volume are 450; 450 minutes are 450 at the higher price."""
    acme = limited(VOLUME)
    spend(acme, ("storage", "300"))
    minutes(acme, "450")
    second = minutes(acme, "250")
    # 300 and 350.
    assert remaining(acme) == D(350)
    spend(acme, ("storage", "100"))
    assert alerts(acme) == []

    void_record(workspace_id=acme, record_id=second, reason="wrong", now=NOW)

    assert remaining(acme) == D(150)
    assert alerts(acme) == [("threshold", D(850))]


def test_agents_are_paused_by_the_net_and_come_back_with_it():
    acme = limited(INCLUDED)
    agent = VoiceAgent.objects.create(workspace_id=acme, name="Ada", status="live")
    minutes(acme, "1500")
    agent.refresh_from_db()
    assert agent.status == "live"

    last = minutes(acme, "500")
    agent.refresh_from_db()
    assert (agent.status, agent.paused_reason) == ("paused", "usage_limit")

    void_record(workspace_id=acme, record_id=last, reason="wrong", now=NOW)
    sweep_limits(now=NOW)
    agent.refresh_from_db()
    assert agent.status == "live"


def test_the_sweep_compares_the_net():
    acme = limited(INCLUDED, usage_limit_monthly=None)
    minutes(acme, "1700")
    update_billing_settings(workspace_id=acme, changes={"usage_limit_monthly": D(1000)}, now=NOW)
    assert sweep_limits(now=NOW) == 0
    assert alerts(acme) == []

    update_billing_settings(workspace_id=acme, changes={"usage_limit_monthly": D(800)}, now=NOW)
    sweep_limits(now=NOW)

    assert alerts(acme) == [("threshold", D(700))]


def test_a_month_says_that_it_has_meters_before_its_first_tiered_record():
    acme, globex = limited(GRADUATED), limited(GRADUATED, "globex")
    spend(globex, ("storage", "1"))
    assert not BillingPeriod.objects.filter(has_meters=True).exists()

    minutes(acme, "1")

    assert BillingPeriod.objects.get(has_meters=True).workspace_id == acme


# What one moment holds: list prices of each rate, counters, alerts.
_MOMENT = """
SELECT period.workspace_id,
       (SELECT sum(counter.final_cost) FROM billing_periodcounter AS counter
         WHERE counter.period_id = period.id),
       (SELECT array_agg(alert.kind) FROM billing_limitalert AS alert
         WHERE alert.period_id = period.id),
       (SELECT array_agg(ARRAY[rolled.rate_id::text, rolled.billed::text, rolled.listed::text])
          FROM (SELECT rate_id, sum(billed_quantity) AS billed, sum(final_cost) AS listed
                  FROM usage_usagerollup AS rollup
                 WHERE rollup.billing_period_id = period.id GROUP BY rate_id) AS rolled)
  FROM billing_billingperiod AS period
"""


def moment() -> dict[UUID, tuple[Decimal, set[str]]]:
    found = {}
    with connection.cursor() as cursor:
        cursor.execute(_MOMENT)
        for owner, listed, told, sums in cursor.fetchall():
            net = listed
            for rate_id, billed, at_list in sums or ():
                price = prices_by_rate([UUID(rate_id)])[UUID(rate_id)].price
                net += meter_adjustment(price, billed=D(billed), listed=D(at_list))
            found[owner] = net, set(told or ())
    return found


def test_at_no_moment_is_a_net_limit_reached_without_its_alert():
    """Eight writers, four contracts, voids among the uses: whoever looks sees the alert as soon as
    the net has reached it, and not before."""
    prices = {"acme": INCLUDED, "globex": GRADUATED, "initech": VOLUME, "umbrella": PACKAGE}
    owners = [limited(price, name) for name, price in prices.items()]

    def write(number: int) -> None:
        rng = random.Random(number)
        for turn in range(30):
            owner = rng.choice(owners)
            kind = rng.choice(["call_minutes", "call_minutes", "storage"])
            last = spend(
                owner,
                *[(kind, f"{rng.uniform(2, 12):.6f}") for _ in range(rng.randint(1, 4))],
            )
            if turn % 10 == 9:
                void_record(workspace_id=owner, record_id=last, reason="wrong", now=NOW)

    moments = watched(write, moment, every=0.005, seconds=120)

    for each in moments:
        for net, told in each.values():
            expected = {"threshold"} if net >= 800 else set()
            expected |= {"limit"} if net >= 1000 else set()
            # A void may take the net below what it has reached before.
            assert told >= expected
    levels = {"threshold": 800, "limit": 1000}
    assert all(each.spend >= levels[each.kind] for each in LimitAlert.objects.all())
    assert usage_differences() == []


def test_a_card_published_during_load_from_eight_writers():
    """On the first of the month its tiers are published while everyone writes: each record has the
    price of its moment, and the month is the sum of both."""
    today = dt.datetime(2026, 12, 1, 12, tzinfo=dt.UTC)
    acme = make_workspace("acme").pk
    card = published(rate(per_unit("1"), "call_minutes"), name="Voice", day=dt.date(2026, 11, 24))
    use(card, acme, day=DECEMBER)
    rate_cards.create_version(
        card_id=card.pk, rates=[rate(GRADUATED, "call_minutes"), rate(per_unit("1"))], now=today
    )
    failures: list[BaseException] = []
    started = threading.Barrier(9)

    def write(number: int) -> None:
        try:
            started.wait(30)
            for _ in range(15):
                minutes(acme, "5", "7.5")
        except BaseException as failure:  # noqa: BLE001 - raised in the test's thread
            failures.append(failure)
        finally:
            connection.close()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    started.wait(30)
    time.sleep(0.1)
    publish(card, day=DECEMBER, now=today)
    for thread in threads:
        thread.join(120)

    assert failures == []
    assert UsageRecord.objects.count() == 240
    before = ZERO
    tiered = ZERO
    for record in UsageRecord.objects.all():
        price = prices_by_rate([record.rate_id])[record.rate_id].price
        if price.model == "graduated":
            tiered += record.quantity
        else:
            before += record.final_cost
    net = before + min(tiered, D(500)) + max(tiered - 500, ZERO) * D("0.5")
    listed = sum((row.final_cost for row in PeriodCounter.objects.all()), ZERO)
    period = BillingPeriod.objects.get()
    assert listed + adjustments_of([period.pk]).get(period.pk, ZERO) == net
    assert usage_differences() == []
    assert close_differences() == []
