"""Making an estimated cost final by an appended record."""

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction

from billing.errors import BillingError
from billing.models import BillingPeriod, LimitAlert
from invoices.services.closing import finalize_period
from tests.kit.api import ApiClient, problem_of, refusal
from tests.kit.costs import cost, exchange_rate
from tests.kit.personas import NOW, make_workspace
from tests.kit.prices import cost_plus, override, per_unit, rate
from usage.models import UsageRecord
from usage.services.ingest import check_entries, record_usage
from usage.services.ingest.parsing import usage_parser
from usage.services.ledger import usage_differences
from usage.services.true_ups import true_up_record
from usage.services.voiding import CannotVoidRecord, void_record

pytestmark = pytest.mark.django_db


def estimated(
    owner,
    *,
    quantity: str = "10",
    unit_cost: str = '"0.0100"',
    at: str = "2026-11-20T10:00:00Z",
    more="",
):
    line = (
        f'{{"idempotency_key":"{at}","workspace_id":"{owner.pk}","resource_type":"call_minutes",'
        f'"provider":"twilio","quantity":"{quantity}","unit_cost":{unit_cost},"occurred_at":"{at}",'
        f'"cost_state":"estimated"{more}}}'
    )
    records, errors = check_entries([usage_parser.single(line.encode())], now=NOW)
    assert not errors
    assert record_usage(records, now=NOW).accepted == 1
    return UsageRecord.objects.get(workspace_id=owner.pk, pk=records[0].id)


def trued_up(record: UsageRecord, unit_cost: str) -> tuple[UsageRecord, bool]:
    return true_up_record(
        workspace_id=record.workspace_id, record_id=record.pk, unit_cost=Decimal(unit_cost), now=NOW
    )


def code_of(call) -> str:
    with pytest.raises(BillingError) as refused:
        call()
    return refused.value.code


def test_the_difference_is_appended_and_the_price_follows_the_markup():
    original = estimated(make_workspace())

    true_up, created = trued_up(original, "0.0140")

    assert created
    assert (true_up.quantity, true_up.total_cost, true_up.final_cost) == (
        0, Decimal("0.04"), Decimal("0.048"),
    )  # fmt: skip
    assert (true_up.trues_up_id, true_up.unit_cost) == (original.pk, Decimal("0.014"))
    assert (true_up.usage_date, true_up.late, true_up.cost_state) == (
        original.usage_date, False, None,
    )  # fmt: skip
    assert not usage_differences()
    assert trued_up(original, "0.0140") == (true_up, False)
    assert code_of(lambda: trued_up(original, "0.0150")) == "already_trued_up"


def test_it_may_cost_less_and_a_price_by_the_unit_stays():
    acme = make_workspace()
    override(acme.pk, rate(per_unit("0.02"), "call_minutes"), starts_on=NOW.date())
    original = estimated(acme, at="2026-11-22T08:00:00Z")

    true_up, _ = trued_up(original, "0.0075")

    assert (true_up.total_cost, true_up.final_cost) == (Decimal("-0.025"), 0)
    assert true_up.rate_id == original.rate_id
    assert not usage_differences()


def test_a_rate_from_the_cost_is_worked_out_anew_with_its_increment_and_minimum():
    acme = make_workspace()
    price = cost_plus("50", increment={"step": "6"}, min_amount="0.20")
    override(acme.pk, rate(price, "call_minutes"))
    original = estimated(acme, at="2026-11-22T08:00:00Z")
    # 12 units billed: 12 x 0.01 x 1.5 = 0.18, at least 0.20.
    assert original.final_cost == Decimal("0.2")

    true_up, _ = trued_up(original, "0.02")

    # 12 x 0.02 x 1.5 = 0.36; the provider charges for the ten.
    assert (true_up.total_cost, true_up.final_cost) == (Decimal("0.1"), Decimal("0.16"))


def test_the_currency_and_the_rate_are_those_of_the_record():
    acme = make_workspace()
    exchange_rate("1.10", day=dt.date(2026, 11, 20))
    original = estimated(acme, more=',"cost_currency":"EUR"')
    exchange_rate("1.50", day=dt.date(2026, 11, 20))

    true_up, _ = trued_up(original, "0.02")

    assert (true_up.total_cost, true_up.exchange_rate) == (Decimal("0.11"), Decimal("1.1"))


def test_an_estimate_may_be_the_cost_cards():
    acme = make_workspace()
    cost("0.01", "twilio", day=dt.date(2026, 11, 1))
    original = estimated(acme, unit_cost="null")
    assert trued_up(original, "0.01")[0].total_cost == 0
    assert code_of(lambda: trued_up(original, "0.02")) == "already_trued_up"


def test_a_closed_month_is_trued_up_in_the_open_one():
    original = estimated(make_workspace(), at="2026-10-20T10:00:00Z")
    finalize_period(period_id=original.billing_period_id, now=NOW)

    true_up, _ = trued_up(original, "0.014")

    period = BillingPeriod.objects.get(pk=true_up.billing_period_id)
    assert (period.status, true_up.late) == ("current", True)
    assert not usage_differences()


def test_what_is_final_or_taken_back_is_not_trued_up_and_a_void_takes_the_true_up_back():
    acme = make_workspace()
    original = estimated(acme)
    true_up, _ = trued_up(original, "0.014")
    assert code_of(lambda: trued_up(true_up, "0.02")) == "cannot_true_up"
    facts = {"workspace_id": acme.pk, "reason": "test", "now": NOW}
    with pytest.raises(CannotVoidRecord):
        void_record(record_id=true_up.pk, **facts)

    void_record(record_id=original.pk, **facts)

    costs = UsageRecord.objects.values_list("total_cost", "final_cost", "quantity")
    assert [sum(column) for column in zip(*costs, strict=True)] == [0, 0, 0]
    assert not usage_differences()
    other = estimated(acme, at="2026-11-20T11:00:00Z")
    void_record(record_id=other.pk, **facts)
    assert code_of(lambda: trued_up(other, "0.02")) == "cannot_true_up"


def test_a_true_up_may_reach_the_limit():
    acme = make_workspace(usage_limit_monthly="1.00")
    original = estimated(acme)

    trued_up(original, "0.09")

    assert set(LimitAlert.objects.values_list("kind", flat=True)) >= {"limit"}


def test_the_database_refuses_a_second_true_up():
    original = estimated(make_workspace())
    true_up, _ = trued_up(original, "0.014")
    true_up.pk = original.billing_period_id
    true_up._state.adding = True
    with pytest.raises(IntegrityError, match="one_true_up_per_record"), transaction.atomic():
        true_up.save(force_insert=True)


@pytest.mark.django_db(transaction=True)
def test_true_ups_and_voids_at_once_leave_one_or_none():
    acme = make_workspace()
    original = estimated(acme)

    def work(number: int) -> str | None:
        try:
            if number % 2:
                void_record(workspace_id=acme.pk, record_id=original.pk, reason="x", now=NOW)
            else:
                trued_up(original, "0.014")
        except BillingError as error:
            return error.code
        finally:
            connection.close()
        return None

    with ThreadPoolExecutor(8) as pool:
        codes = set(pool.map(work, range(8)))

    assert codes <= {None, "cannot_true_up"}
    costs = UsageRecord.objects.values_list("total_cost", "final_cost")
    assert [sum(column) for column in zip(*costs, strict=True)] == [0, 0]
    assert not usage_differences()


def test_a_cost_that_no_column_holds_is_refused_by_name():
    acme = make_workspace()
    record = estimated(acme, quantity="9" * 12)

    answer = ApiClient().post(f"usage/{record.pk}/true-up/", {"unit_cost": "99999999"})

    assert refusal(answer) == (400, "too_large")
    assert problem_of(answer)["errors"][0]["pointer"] == "/unit_cost"
    assert UsageRecord.objects.count() == 1


def test_over_http():
    acme, globex = make_workspace("Acme"), make_workspace("Globex")
    original = estimated(acme)
    caller, path = ApiClient(), f"usage/{original.pk}/true-up/"

    made = caller.post(path, {"unit_cost": 0.0140})
    assert made.status_code == 201
    assert made.json()["trues_up_id"] == str(original.pk)
    assert made.json()["total_cost"] == "0.0400000000"
    assert caller.post(path, {"unit_cost": "0.014"}).status_code == 200
    assert refusal(caller.post(path, {"unit_cost": "0.02"})) == (409, "already_trued_up")
    for wrong in ({}, {"unit_cost": "-1"}, {"unit_cost": "1" * 41}, {"unit_cost": "1", "x": 1}):
        assert caller.post(path, wrong).status_code == 400
    bound = ApiClient(workspace_id=globex.pk)
    assert refusal(bound.post(path, {"unit_cost": "0.014"})) == (404, "not_found")
    reader = ApiClient("usage:read")
    assert refusal(reader.post(path, {"unit_cost": "0.014"})) == (403, "missing_scope")
