"""What a record costs: as sent, by the cost card, in another currency; drift and low margins."""

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from uuid import uuid4

import msgspec
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.services.provider_costs import end_cost
from tests.kit.costs import cost, exchange_rate
from tests.kit.personas import NOW, make_agent, make_workspace
from tests.kit.prices import cost_plus, override, per_unit, rate
from usage.models import CostDrift, LowMargin, UsageRecord
from usage.services.ingest import Entry, check_entries, record_usage
from usage.services.ingest.parsing import RecordError
from usage.services.ledger import usage_differences

pytestmark = pytest.mark.django_db
DAY = dt.timedelta(days=1)
TODAY = NOW.date()


def entry(workspace, **facts):
    facts = {
        "idempotency_key": str(uuid4()),
        "workspace_id": str(workspace.pk),
        "resource_type": "call_minutes",
        "provider": "twilio",
        "quantity": "3.25",
        "occurred_at": NOW.isoformat(),
        **facts,
    }
    return {name: value for name, value in facts.items() if value is not ...}


def record(*entries, now=NOW):
    """The outcome of each: its code, or the record as stored."""
    parsed = msgspec.json.decode(msgspec.json.encode(list(entries)), type=list[Entry])
    records, errors = check_entries(parsed, now=now)
    result = record_usage(records, now=now, refused=errors)
    answers = {error.index: error.code for error in result.errors}
    for place, each in enumerate(records):
        answer = result.answer(place)
        if not isinstance(answer, RecordError):
            answers[each.index] = answer[1]
    return [answers[place] for place in range(len(entries))]


def one(*args, **facts):
    return record(entry(*args, **facts))[0]


def test_a_missing_unit_cost_is_that_of_the_cost_card_on_its_day():
    acme = make_workspace()
    cost("0.0125", "twilio", "call_minutes", day=TODAY - 10 * DAY)
    cost("0.0150", "twilio", "call_minutes", day=TODAY)

    stored = one(acme)
    assert (stored.unit_cost, stored.total_cost) == (Decimal("0.015"), Decimal("0.0487500000"))
    assert (stored.final_cost, stored.cost_currency, stored.exchange_rate) == (
        Decimal("0.0585000000"), None, None,
    )  # fmt: skip
    earlier = one(acme, occurred_at=(NOW - 2 * DAY).isoformat(), unit_cost=None)
    assert earlier.unit_cost == Decimal("0.0125")
    assert one(acme, occurred_at=(NOW - 11 * DAY).isoformat()) == "no_cost"
    assert one(acme, provider="telnyx") == "no_cost"
    assert one(acme, model="turbo").unit_cost == Decimal("0.015")


def test_nothing_is_known_of_a_cost_where_there_is_no_card():
    acme = make_workspace()
    assert one(acme) == "no_cost"
    assert one(acme, unit_cost="0.01", cost_currency="EUR") == "no_exchange_rate"
    assert not UsageRecord.objects.exists()


def test_a_retry_is_answered_with_what_was_stored_whatever_the_card_says_now():
    acme = make_workspace()
    card = cost("0.0125", "twilio", "call_minutes")
    sent = entry(acme)
    (first,) = record(sent)
    end_cost(cost_id=card.pk, ends_on=TODAY)

    assert record(sent) == [first]
    assert record({**sent, "unit_cost": "0.0125"}) == [first]
    assert record({**sent, "unit_cost": "0.0125", "cost_currency": "USD"}) == [first]
    assert record({**sent, "unit_cost": "0.0126"}) == ["idempotency_key_reused"]
    assert record({**sent, "cost_state": "estimated"}) == ["idempotency_key_reused"]
    assert record({**sent, "idempotency_key": "new"}) == ["no_cost"]
    assert UsageRecord.objects.count() == 1


def test_a_batch_sent_again_takes_as_many_queries_for_one_record_as_for_forty():
    acme = make_workspace()
    named = {"unit_cost": "0.01", "cost_currency": "USD"}
    queries = []
    for size in (2, 40):
        sent = [entry(acme, **named) for _ in range(size)]
        stored = record(*sent, *sent)
        assert stored[:size] == stored[size:]
        with CaptureQueriesContext(connection) as seen:
            assert record(*sent) == stored[:size]
        queries.append(len(seen))
    assert queries[0] == queries[1]


def test_a_cost_in_another_currency_is_rounded_once_and_keeps_all_three():
    acme = make_workspace()
    exchange_rate("1.0832", day=TODAY - 7 * DAY)

    stored = one(acme, unit_cost="0.0123456789", cost_currency="EUR", quantity="3.333333")

    # 3.333333 x 0.0123456789 x 1.0832 = 0.04457612682..., rounded once.
    exact = Decimal("3.333333") * Decimal("0.0123456789") * Decimal("1.0832")
    assert stored.total_cost == round(exact, 10) == Decimal("0.0445761268")
    assert stored.final_cost == round(exact * Decimal("1.2"), 10)
    assert (stored.unit_cost, stored.cost_currency) == (Decimal("0.0123456789"), "EUR")
    assert stored.exchange_rate == Decimal("1.0832")
    row = UsageRecord.objects.get()
    assert (row.cost_currency, row.exchange_rate) == ("EUR", Decimal("1.0832"))
    assert not usage_differences()


def test_a_rate_of_more_than_a_week_ago_is_none_and_a_retry_needs_none():
    acme = make_workspace()
    exchange_rate("1.08", day=TODAY - 8 * DAY)
    sent = entry(acme, unit_cost="0.01", cost_currency="EUR")
    assert record(sent) == ["no_exchange_rate"]
    exchange_rate("1.10", day=TODAY)
    (stored,) = record(sent)
    exchange_rate("1.20", day=TODAY)

    assert record(sent) == [stored]
    assert record({**sent, "cost_currency": "GBP"}) == ["idempotency_key_reused"]
    assert one(acme, unit_cost="0.01", cost_currency="EUR").exchange_rate == Decimal("1.20")
    assert one(acme, unit_cost="0.01", cost_currency="USD").cost_currency is None


def test_the_card_may_be_in_another_currency():
    acme, berlin = make_workspace("Acme"), make_workspace("Berlin", currency="EUR")
    cost("0.01", "twilio", "call_minutes", currency="EUR")
    exchange_rate("1.10")

    assert one(acme, quantity="2").total_cost == Decimal("0.0220000000")
    assert one(berlin, quantity="2").total_cost == Decimal("0.0200000000")
    assert one(berlin, quantity="2").cost_currency is None


def test_what_is_wrong_with_a_cost_is_named():
    acme = make_workspace()
    for facts, code in (
        ({"unit_cost": "0.01", "cost_currency": "XXX"}, "unknown_currency"),
        ({"unit_cost": "0.01", "cost_currency": "eur"}, "unknown_currency"),
        ({"cost_currency": "USD"}, "required"),
        ({"unit_cost": "0.01", "cost_state": "guess"}, "invalid_choice"),
        ({"unit_cost": "-1"}, "negative"),
        ({"unit_cost": "1" * 41}, "too_large"),
    ):
        assert one(acme, **facts) == code
    huge = {"quantity": "9" * 12, "unit_cost": "9" * 8}
    override(acme.pk, rate(per_unit("0.01"), "call_minutes"))
    assert one(acme, **huge) == "too_large"


def test_a_workspace_with_its_own_provider_key_costs_nothing_and_pays_the_price():
    acme, globex = make_workspace("Acme"), make_workspace("Globex")
    cost("0.0125", "twilio", "call_minutes")
    cost("0", "twilio", workspace_id=acme.pk)
    override(acme.pk, rate(per_unit("0.03"), "call_minutes"))

    own = one(acme, quantity="2")
    assert (own.total_cost, own.final_cost) == (Decimal("0E-10"), Decimal("0.0600000000"))
    assert one(globex, quantity="2").total_cost == Decimal("0.0250000000")
    assert one(acme, quantity="2", unit_cost="0").final_cost == Decimal("0.0600000000")


def test_a_cost_off_the_card_is_taken_and_counted_once_for_each_record():
    acme = make_workspace()
    cost("0.0100", "twilio", "call_minutes")
    sent = [
        entry(acme, unit_cost="0.0101", quantity="1"),  # 1 % more is within the tolerance
        entry(acme, unit_cost="0.0102", quantity="10"),
        entry(acme, unit_cost="0.0120", quantity="5"),
        entry(acme, quantity="1"),
    ]
    first = record(*sent)
    again = record(*sent, entry(acme, unit_cost="0.0120", quantity="1"))

    assert [each.unit_cost for each in first[:3]] == [
        Decimal("0.0101"), Decimal("0.0102"), Decimal("0.0120"),
    ]  # fmt: skip
    assert again[:4] == first
    drift = CostDrift.objects.get()
    assert (drift.records, drift.quantity, drift.cost) == (3, 16, Decimal("0.174"))
    assert (drift.least, drift.most, drift.currency) == (
        Decimal("0.0102"), Decimal("0.0120"), "USD",
    )  # fmt: skip


def test_a_cost_in_another_currency_is_compared_in_the_workspaces():
    acme = make_workspace()
    exchange_rate("1.10")
    cost("0.0110", "twilio", "call_minutes")

    one(acme, unit_cost="0.0100", cost_currency="EUR")
    assert not CostDrift.objects.exists()
    one(acme, unit_cost="0.0110", cost_currency="EUR")
    assert CostDrift.objects.get().currency == "EUR"


def test_what_is_sold_below_the_least_margin_is_recorded_and_counted_with_rate_and_agent():
    acme = make_workspace()
    desk = make_agent(acme, "Desk")
    price = rate(per_unit("0.02"), "call_minutes")._replace(min_margin_percentage=Decimal(25))
    own = override(acme.pk, price)
    sent = [
        entry(acme, quantity="10", unit_cost="0.015", agent_id=str(desk.pk)),  # 25 %: enough
        entry(acme, quantity="10", unit_cost="0.016", agent_id=str(desk.pk)),
        entry(acme, quantity="10", unit_cost="0.030", agent_id=str(desk.pk)),
        entry(acme, quantity="10", unit_cost="0.030"),
        entry(acme, quantity="10", unit_cost="0.030", resource_type="storage"),
    ]
    stored = record(*sent)
    record(*sent)

    assert all(each.final_cost for each in stored)
    low = LowMargin.objects.get(agent_id=desk.pk)
    assert (low.records, low.total_cost, low.final_cost) == (2, Decimal("0.46"), Decimal("0.4"))
    assert (low.rate_id, low.billing_period_id) == (own.pk, stored[0].billing_period_id)
    assert LowMargin.objects.get(agent_id=None).records == 1


def test_a_margin_of_a_cost_plus_price_is_held_against_it_too():
    acme = make_workspace()
    price = rate(cost_plus("10"))._replace(min_margin_percentage=Decimal(10))
    override(acme.pk, price)
    one(acme, unit_cost="0.01")  # 10 % on cost is 9.09 % of the price
    assert LowMargin.objects.get().records == 1


@pytest.mark.django_db(transaction=True)
def test_eight_writers_count_every_drift_and_every_low_margin():
    acme = make_workspace()
    cost("0.01", "twilio", "call_minutes")
    price = rate(per_unit("0.02"))._replace(min_margin_percentage=Decimal(50))
    override(acme.pk, price)

    def write(_: int) -> None:
        try:
            for _ in range(5):
                record(*[entry(acme, quantity="1", unit_cost="0.03") for _ in range(20)])
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))

    assert sum(CostDrift.objects.values_list("records", flat=True)) == 800
    assert sum(LowMargin.objects.values_list("records", flat=True)) == 800
    assert not usage_differences()


@pytest.mark.django_db(transaction=True)
def test_a_new_cost_and_a_new_rate_price_the_very_next_record():
    acme = make_workspace()
    cost("0.01", "twilio", "call_minutes")
    assert one(acme).unit_cost == Decimal("0.01")
    cost("0.02", "twilio", "call_minutes")
    assert one(acme).unit_cost == Decimal("0.02")
    assert one(acme, unit_cost="1", cost_currency="EUR") == "no_exchange_rate"
    exchange_rate("1.1")
    assert one(acme, unit_cost="1", cost_currency="EUR").exchange_rate == Decimal("1.1")
    exchange_rate("1.2")
    assert one(acme, unit_cost="1", cost_currency="EUR").exchange_rate == Decimal("1.2")
