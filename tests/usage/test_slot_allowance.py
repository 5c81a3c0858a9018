"""A limit is looked at when a slot has used up its part of what is left, and never too late."""

import json
import random
from decimal import Decimal
from uuid import UUID

import pytest
from django.db import connection

from billing.models import COUNTER_SLOTS, BillingPeriod, LimitAlert, PeriodCounter
from billing.services.periods import open_period
from billing.services.workspaces import update_billing_settings
from tests.kit.personas import NOW, make_workspace
from tests.kit.watching import watched
from usage.models import VoiceAgent
from usage.services.ingest import check_entries, record_usage, recording
from usage.services.ingest.parsing import usage_parser
from usage.services.ledger import rebuild_rollups, usage_differences
from usage.services.voiding import void_record

pytestmark = pytest.mark.django_db(transaction=True)


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


def limited(name: str, **terms) -> UUID:
    """A workspace without a markup; 1,000 a month, told at 80 %, if not said otherwise."""
    owner = make_workspace(name).pk
    set_terms(
        owner, markup_percentage=Decimal(0), **{"usage_limit_monthly": Decimal(1000), **terms}
    )
    return owner


def set_terms(owner: UUID, **changes) -> None:
    update_billing_settings(workspace_id=owner, changes=changes, now=NOW)


_numbers = iter(range(10**9))


def spend(*uses: tuple[UUID, str | Decimal]) -> UUID:
    """One batch of (workspace, cost); the first record's id."""
    lines = [
        json.dumps(
            {
                "idempotency_key": f"{next(_numbers)}",
                "workspace_id": str(owner),
                "resource_type": "call_minutes",
                "provider": "twilio",
                "quantity": "1",
                "unit_cost": str(cost),
            }
        ).encode()
        for owner, cost in uses
    ]
    records, errors = check_entries(usage_parser.lines(lines), now=NOW)
    recorded = record_usage(records, now=NOW)
    assert (errors, recorded.errors) == ([], [])
    return UUID(records[0].id)


def kinds(owner: UUID) -> set[str]:
    return set(LimitAlert.objects.filter(workspace_id=owner).values_list("kind", flat=True))


def safe_sum(owner: UUID) -> Decimal:
    rows = PeriodCounter.objects.filter(period__workspace_id=owner)
    return sum((row.checked_up_to for row in rows), Decimal(0))


def test_the_first_use_of_a_month_needs_no_check(checks):
    acme = limited("acme")
    open_period(workspace_id=acme, at=NOW, now=NOW)

    spend((acme, "50"), (acme, "49.99"))

    assert safe_sum(acme) == 800
    assert checks == []


def test_a_slot_that_has_used_its_part_gets_another(checks):
    acme = limited("acme")
    spend((acme, "50"))
    spend((acme, "50"))
    assert checks == [[acme.hex]]

    # 700 are left until the threshold: 87.50 for each slot.
    assert safe_sum(acme) == 800
    spend((acme, "87.4999999999"))
    assert len(checks) == 1
    spend((acme, "0.0000000001"))
    assert len(checks) == 2
    assert kinds(acme) == set()


def test_the_threshold_and_the_limit_are_reached_to_the_last_digit():
    acme = limited("acme")

    spend((acme, "799.9999999999"))
    assert kinds(acme) == set()
    spend((acme, "0.0000000001"))
    assert kinds(acme) == {"threshold"}
    spend((acme, "199.9999999999"))
    assert kinds(acme) == {"threshold"}
    spend((acme, "0.0000000001"))
    assert kinds(acme) == {"threshold", "limit"}


@pytest.mark.parametrize("limit", ["0", "0.0001", "0.0007", "33.3333", "99999999.9999"])
@pytest.mark.parametrize("threshold", ["33.3333", "0.0001", "100"])
def test_the_parts_are_never_more_than_what_is_left(limit, threshold):
    limit, threshold = Decimal(limit), Decimal(threshold)
    acme = limited("acme", usage_limit_monthly=limit, alert_threshold_percentage=threshold)
    told = limit * threshold / 100

    spent = Decimal(0)
    for part in ("0.3", "0.6999999999", "0.1"):
        spend((acme, cost := (told * Decimal(part)).quantize(Decimal("1e-10"))))

        spent += cost
        assert ("threshold" in kinds(acme)) == (spent >= told and spent > 0)
        if spent < told:
            assert told - Decimal("1e-9") * COUNTER_SLOTS <= safe_sum(acme) <= told


def test_a_limit_set_by_sql_holds_for_the_next_use():
    acme = limited("acme")
    spend((acme, "10"))
    with connection.cursor() as cursor:
        cursor.execute("UPDATE billing_workspacebillingsettings SET usage_limit_monthly = 11")

    spend((acme, "0.50"))

    assert kinds(acme) == {"threshold"}


def test_a_workspace_over_a_limit_that_pauses_nobody_is_left_alone(checks):
    acme = limited("acme", auto_pause_on_limit=False)
    spend((acme, "1000"))
    assert kinds(acme) == {"threshold", "limit"}
    checks.clear()

    for _ in range(3):
        spend((acme, "1000000"))

    assert checks == []
    set_terms(acme, auto_pause_on_limit=True)
    spend((acme, "1"))
    assert len(checks) == 1


def test_an_agent_that_went_live_over_the_limit_is_paused_with_the_next_use():
    acme = limited("acme")
    spend((acme, "1000"))
    agent = VoiceAgent.objects.create(workspace_id=acme, name="Ada", status="live")

    spend((acme, "1"))

    agent.refresh_from_db()
    assert (agent.status, agent.paused_reason) == ("paused", "usage_limit")


def test_others_in_the_batch_are_checked_only_when_they_are_near(checks):
    near, far, free = limited("near"), limited("far"), make_workspace("Free").pk
    open_period(workspace_id=near, at=NOW, now=NOW)
    open_period(workspace_id=far, at=NOW, now=NOW)

    spend((near, "900"), (far, "1"), (free, "5000"))
    spend((near, "1"), (far, "1"), (free, "5000"))

    assert checks == [[near.hex]]
    assert kinds(near) == {"threshold"}
    assert kinds(far) == kinds(free) == set()


def test_what_was_taken_back_may_be_spent_again():
    acme = limited("acme")
    first = spend((acme, "790"))
    void_record(workspace_id=acme, record_id=first, reason="wrong", now=NOW)
    spend((acme, "790"))
    assert kinds(acme) == set()

    spend((acme, "10"))

    assert kinds(acme) == {"threshold"}
    assert usage_differences() == []


def test_rebuilt_counters_are_checked_again(checks):
    acme = limited("acme")
    spend((acme, "70"))
    PeriodCounter.objects.update(final_cost=0, total_cost=0)
    rebuild_rollups()
    assert checks == []

    spend((acme, "0.01"))

    assert checks == [[acme.hex]]


_MOMENT = """
SELECT period.workspace_id,
       (SELECT sum(counter.final_cost) FROM billing_periodcounter AS counter
         WHERE counter.period_id = period.id),
       (SELECT array_agg(alert.kind) FROM billing_limitalert AS alert
         WHERE alert.period_id = period.id)
  FROM billing_billingperiod AS period
"""


def test_at_no_moment_is_a_limit_reached_without_its_alert():
    owners = [limited(name) for name in ("acme", "globex", "initech")]

    def write(number: int) -> None:
        rng = random.Random(number)
        for _ in range(40):
            some = rng.sample(owners, k=rng.randint(1, 3))
            spend(*[(owner, f"{rng.uniform(2, 10):.10f}") for owner in some])

    def moment() -> dict[UUID, tuple[Decimal, set[str]]]:
        with connection.cursor() as cursor:
            cursor.execute(_MOMENT)
            return {row[0]: (row[1], set(row[2] or ())) for row in cursor}

    moments = watched(write, moment, every=0.002, seconds=60)

    for each in moments:
        for spent, told in each.values():
            expected = {"threshold"} if spent >= 800 else set()
            expected |= {"limit"} if spent >= 1000 else set()
            assert told == expected
    # Some 200 uses of 6 on average for each: all of them went past both.
    assert all(told == {"threshold", "limit"} for _, told in moments[-1].values())
    assert usage_differences() == []


def test_periods_are_opened_with_what_may_be_spent():
    acme = limited("acme", usage_limit_monthly=Decimal("0.0007"))
    free = make_workspace("Free").pk
    for owner in (acme, free):
        open_period(workspace_id=owner, at=NOW, now=NOW)

    assert BillingPeriod.objects.count() == 2
    assert safe_sum(acme) == Decimal("0.00056")
    assert PeriodCounter.objects.filter(period__workspace=free, checked_up_to=None).count() == 8
