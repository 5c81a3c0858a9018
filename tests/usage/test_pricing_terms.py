"""Prices and periods are remembered between batches, and never used when they no longer hold."""

import datetime as dt
import json
from decimal import Decimal
from uuid import UUID

import pytest
from django.db import connection, transaction

from billing.models import LimitAlert, PlatformSetting, WorkspaceBillingSettings
from billing.services.workspaces import update_billing_settings, update_workspace
from invoices.services.closing import finalize_period
from tests.kit.personas import NOW, make_period, make_workspace
from usage.models import UsageRecord
from usage.services.ingest import RecordOutcome, check_entries, record_usage
from usage.services.ingest.checking import Stored
from usage.services.ingest.parsing import usage_parser
from usage.services.ingest.recording import PricingTermsCache
from usage.services.ledger import usage_differences

# Outside of any transaction, as in a web process: within one, nothing is remembered.
pytestmark = pytest.mark.django_db(transaction=True)
NOVEMBER_3 = dt.datetime(2026, 11, 3, 9, 0, tzinfo=dt.UTC)


def line(owner: UUID, key: str, **facts: str) -> bytes:
    """Ten minutes at a dollar."""
    record_ = {
        "idempotency_key": key,
        "workspace_id": str(owner),
        "resource_type": "call_minutes",
        "provider": "twilio",
        "quantity": "10",
        "unit_cost": "1",
        "occurred_at": NOW.isoformat(),
        **facts,
    }
    return json.dumps(record_).encode()


def set_markup(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def use(owner: UUID, key: str, *, at: dt.datetime = NOW, now: dt.datetime = NOW):
    text = line(owner, key, occurred_at=at.isoformat())
    records, errors = check_entries([usage_parser.single(text)], now=now)
    assert errors == []
    return record_usage(records, now=now).answer(0)


def stored(answer: tuple[RecordOutcome, Stored]) -> Stored:
    assert answer[0] is RecordOutcome.ACCEPTED
    return answer[1]


@pytest.fixture
def acme() -> UUID:
    """Has used something, so that its terms are remembered."""
    owner = make_workspace("Acme").pk
    assert stored(use(owner, "first")).final_cost == Decimal(12)
    return owner


def test_what_was_read_for_one_batch_is_there_for_the_next(acme):
    cache = PricingTermsCache()
    first, read = cache.of([acme.hex])
    again, read_again = cache.of([acme.hex])

    assert (read, read_again) == (True, False)
    assert first[acme.hex] is again[acme.hex]


def test_terms_of_a_transaction_under_way_are_not_remembered(acme):
    cache = PricingTermsCache()

    with transaction.atomic():
        first, _ = cache.of([acme.hex])
        again, read_again = cache.of([acme.hex])

    assert read_again is True
    assert first[acme.hex] is not again[acme.hex]


def test_a_changed_markup_prices_the_next_record(acme):
    update_billing_settings(workspace_id=acme, changes={"markup_percentage": Decimal(50)}, now=NOW)

    assert stored(use(acme, "second")).final_cost == Decimal(15)


def test_a_markup_changed_by_sql_prices_the_next_record(acme):
    set_markup("UPDATE billing_workspacebillingsettings SET markup_percentage = 30")

    assert stored(use(acme, "second")).final_cost == Decimal(13)


@pytest.mark.parametrize("others", [0, 1])
def test_what_costs_too_much_is_judged_by_the_markup_of_now(acme, others):
    # 5e17 times 1.2 fits the column, times 10 it does not.
    set_markup("UPDATE billing_workspacebillingsettings SET markup_percentage = 900")
    assert stored(use(acme, "second")).final_cost == Decimal(100)
    set_markup("UPDATE billing_workspacebillingsettings SET markup_percentage = 20")
    lines = [line(acme, "dear", quantity="500000000000", unit_cost="1000000")]
    lines += [line(acme, f"cheap {number}") for number in range(others)]
    records, errors = check_entries(usage_parser.lines(lines), now=NOW)

    recorded = record_usage(records, now=NOW)

    assert errors == recorded.errors == []
    assert recorded.accepted == 1 + others
    assert stored(recorded.answer(0)).final_cost == Decimal("6E+17")
    assert usage_differences() == []


def test_a_changed_markup_of_the_platform_prices_the_next_record(acme):
    PlatformSetting.objects.update_or_create(
        name=PlatformSetting.MARKUP, defaults={"value": Decimal(100)}
    )

    assert stored(use(acme, "second")).final_cost == Decimal(20)

    PlatformSetting.objects.all().delete()

    assert stored(use(acme, "third")).final_cost == Decimal(12)


def test_a_new_limit_is_checked_with_the_next_record(acme):
    WorkspaceBillingSettings.objects.filter(pk=acme).update(usage_limit_monthly=Decimal(20))

    use(acme, "second")

    assert sorted(LimitAlert.objects.values_list("kind", flat=True)) == ["limit", "threshold"]


def test_a_closed_workspace_refuses_the_next_record_and_one_opened_again_takes_it(acme):
    update_workspace(workspace_id=acme, changes={"status": "closed"}, now=NOW)
    assert use(acme, "second").code == "workspace_closed"

    update_workspace(workspace_id=acme, changes={"status": "active"}, now=NOW)
    assert stored(use(acme, "third")).final_cost == Decimal(12)


def test_a_record_after_the_close_goes_to_the_next_period():
    globex = make_workspace("Globex")
    october = dt.datetime(2026, 10, 20, 9, 0, tzinfo=dt.UTC)
    period = make_period(globex, october)
    assert stored(use(globex.pk, "first", at=october, now=NOVEMBER_3)).late is False

    finalize_period(period_id=period.pk, now=NOVEMBER_3)
    late = stored(use(globex.pk, "second", at=october, now=NOVEMBER_3))

    assert late.late is True
    assert late.billing_period_id != period.pk
    assert UsageRecord.objects.filter(billing_period=period).count() == 1
    assert usage_differences() == []


def test_late_usage_enters_the_earliest_open_period_even_if_it_was_opened_a_moment_ago():
    globex = make_workspace("Globex")
    september = dt.datetime(2026, 9, 10, 9, 0, tzinfo=dt.UTC)
    closed = make_period(globex, september)
    finalize_period(period_id=closed.pk, now=NOVEMBER_3)
    november = stored(use(globex.pk, "november", at=NOVEMBER_3, now=NOVEMBER_3))
    october = make_period(globex, dt.datetime(2026, 10, 20, tzinfo=dt.UTC))

    late = stored(use(globex.pk, "late", at=september, now=NOVEMBER_3))

    assert late.billing_period_id == october.pk != november.billing_period_id


def test_a_record_after_a_change_of_timezone_falls_on_its_new_day(acme):
    at = dt.datetime(2026, 11, 20, 22, 30, tzinfo=dt.UTC)
    use(acme, "second", at=at)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE billing_workspace SET timezone = 'Asia/Tokyo' WHERE id = %s", [acme])

    use(acme, "third", at=at)

    days = UsageRecord.objects.order_by("idempotency_key").values_list(
        "idempotency_key", "usage_date"
    )
    assert dict(days) == {
        "first": dt.date(2026, 11, 22),
        "second": dt.date(2026, 11, 20),
        "third": dt.date(2026, 11, 21),
    }
