"""A machine's clock is set: nothing is lost, counted twice or billed in the wrong month."""

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import time_machine
from celery import Celery
from celery.schedules import crontab
from django.core.management import CommandError, call_command

from billing import clocks
from billing.models import BillingPeriod, Email, User, Workspace
from billing.services.emails import EMAILS
from billing.services.work import Busy, lease_duration
from config.beat import Scheduler
from invoices import tasks
from invoices.models import Invoice, InvoiceItem
from tests.kit.api import ApiClient, refusal
from tests.kit.personas import PASSWORD, make_workspace, signed_in_client
from usage.models import UsageRecord

pytestmark = pytest.mark.django_db
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
NOVEMBER_30 = dt.datetime(2026, 11, 30, 23, tzinfo=dt.UTC)
DECEMBER_1 = dt.datetime(2026, 12, 1, 0, 30, tzinfo=dt.UTC)
DECEMBER_2 = dt.datetime(2026, 12, 2, 1, tzinfo=dt.UTC)


@pytest.fixture
def acme() -> Workspace:
    with time_machine.travel(NOVEMBER_30 - DAY, tick=False):
        return make_workspace("Acme", timezone="UTC")


@pytest.fixture
def watched(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """`set_to(when)` sets the clock of a process that began at the end of November."""
    settings.CLOCK_TOLERANCE_SECONDS = 120
    # The tests' database has the time of the day, whatever the month of the test.
    monkeypatch.setattr(clocks._Witness, "differs_by", lambda self: dt.timedelta())
    with time_machine.travel(NOVEMBER_30, tick=False) as traveller:
        monkeypatch.setattr(clocks, "_witness", clocks._Witness())

        def set_to(when: dt.datetime, *, rightly: bool = False) -> None:
            traveller.move_to(when, tick=False)
            if rightly:  # time has gone by, or the process was started again
                monkeypatch.setattr(clocks, "_witness", clocks._Witness())

        yield set_to


def use(api: ApiClient, acme: Workspace, key: str, at: dt.datetime) -> Any:
    """A minute for 1.00, at a time that the sender's clock, which is right, has told."""
    body = {
        "idempotency_key": key,
        "workspace_id": str(acme.pk),
        "resource_type": "call_minutes",
        "provider": "twilio",
        "quantity": "1",
        "unit_cost": "1",
        "occurred_at": at.isoformat(),
    }
    return api.post("usage/", body)


def test_records_count_once_in_the_month_of_their_time_however_the_clock_is_set(
    acme: Workspace, watched: Any
) -> None:
    api = ApiClient()
    minute = dt.timedelta(minutes=1)
    assert use(api, acme, "before", NOVEMBER_30).status_code == 201

    for jump in (HOUR, DAY, -HOUR, -DAY, 31 * DAY):
        watched(NOVEMBER_30 + jump)
        answer = use(api, acme, f"while {jump} off", NOVEMBER_30 + minute)
        if jump < dt.timedelta():
            # By this clock it is yet to come; the sender is told to try again, not that it is lost.
            assert refusal(answer) == (503, "clock_in_doubt")
            assert answer["Retry-After"] == "30"
        else:
            assert answer.status_code == 201
        # What was sent before is known, whatever the time is.
        assert use(api, acme, "before", NOVEMBER_30).status_code == 200
        with pytest.raises(clocks.ClockInDoubt):
            tasks.finalize_due_periods()
        with pytest.raises(clocks.ClockInDoubt):
            tasks.close_workspaces([str(acme.pk)])
        assert not Invoice.objects.exists()

    watched(DECEMBER_1, rightly=True)
    for jump in (HOUR, DAY, -HOUR, -DAY, 31 * DAY):
        answer = use(api, acme, f"while {jump} off", NOVEMBER_30 + minute)
        assert answer.status_code == (201 if jump < dt.timedelta() else 200)
    assert use(api, acme, "after", DECEMBER_1).status_code == 201
    watched(DECEMBER_2, rightly=True)
    tasks.close_workspaces([str(acme.pk)])

    november = BillingPeriod.objects.get(workspace=acme, status="finalized")
    lines = InvoiceItem.objects.filter(invoice__billing_period=november, kind="usage")
    assert [line.quantity for line in lines] == [Decimal(6)]
    assert UsageRecord.objects.filter(billing_period_id=november.pk, late=False).count() == 6
    assert UsageRecord.objects.count() == 7
    call_command("check_ledger", verbosity=0)


def test_the_grace_covers_a_clock_that_is_a_day_ahead_of_all_others(acme: Workspace) -> None:
    """On one machine with its database, started with a wrong clock: there is no other witness."""
    with time_machine.travel(NOVEMBER_30 + DAY, tick=False):
        tasks.finalize_due_periods()
    assert not Invoice.objects.exists()


def test_a_close_by_command_asks_too(acme: Workspace, watched: Any) -> None:
    watched(NOVEMBER_30 + 31 * DAY)
    with pytest.raises(CommandError, match=r"clock was set by \+2,678,400 s .* Or say --now"):
        call_command("finalize_due_periods")
    assert not Invoice.objects.exists()


def test_the_databases_clock_is_the_other_witness(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CLOCK_TOLERANCE_SECONDS = 120
    monkeypatch.setattr(clocks, "_witness", clocks._Witness())
    assert clocks.doubt() == ""
    with time_machine.travel(dt.datetime.now(dt.UTC) - HOUR, tick=True):
        monkeypatch.setattr(clocks, "_witness", clocks._Witness())
        assert clocks.doubt() in {
            f"This machine's clock differs by {seconds} s from the database's."
            for seconds in ("-3,600", "-3,601", "-3,599")
        }


def test_a_record_that_is_late_by_a_right_clock_is_refused(acme: Workspace, watched: Any) -> None:
    api = ApiClient()
    assert refusal(use(api, acme, "ahead", NOVEMBER_30 + HOUR)) == (400, "in_the_future")
    assert refusal(use(api, acme, "old", NOVEMBER_30 - 91 * DAY)) == (400, "too_old")


@pytest.mark.parametrize("jump", [-HOUR, -DAY, -31 * DAY])
def test_a_lease_that_was_taken_by_a_clock_ahead_ends_with_it(jump: dt.timedelta) -> None:
    """Whoever held it was killed; by the right clock it would run for as long as that was off."""
    email = Email.objects.create(
        key="a key",
        kind="limit",
        recipients=["owner@acme.test"],
        subject="About Acme",
        text="Hello.",
        requested_at=NOVEMBER_30 + jump,
        next_attempt_at=NOVEMBER_30 + jump,
    )
    held = EMAILS.held(email.pk, lambda: NOVEMBER_30)
    held.__enter__()
    EMAILS.rows.update(queued_at=NOVEMBER_30)
    with pytest.raises(Busy), EMAILS.claimed(email.pk, NOVEMBER_30 - lease_duration()):
        pytest.fail("machines' clocks may differ by as much")
    assert EMAILS.due(now=NOVEMBER_30 + jump) == [email.pk]
    with EMAILS.claimed(email.pk, NOVEMBER_30 + jump) as claim:
        claim.done()


def test_beat_goes_on_after_a_clock_that_was_set_back(tmp_path: Path) -> None:
    app = Celery("test", broker="memory://", set_as_current=False)
    app.conf.update(timezone="UTC", beat_schedule={"hourly": {"task": "x", "schedule": crontab(0)}})
    sent: list[str] = []
    with time_machine.travel(NOVEMBER_30 + 31 * DAY, tick=False) as traveller:
        beat = Scheduler(app, schedule_filename=str(tmp_path / "schedule"), lazy=False)
        beat.apply_entry = lambda entry, producer=None: sent.append(entry.name)  # type: ignore[method-assign]
        for _ in range(3):
            beat.tick()
            traveller.shift(HOUR)
        assert sent == ["hourly"] * 2
        traveller.move_to(NOVEMBER_30, tick=False)
        beat.tick()
        traveller.shift(HOUR)
        for _ in range(3):
            beat.tick()
        beat.close()
    assert sent == ["hourly"] * 3


def test_no_session_of_staff_begins_in_the_future() -> None:
    fay = User.objects.create_user("fay@finance.test", PASSWORD, is_staff=True)
    with time_machine.travel(NOVEMBER_30 + DAY, tick=False) as traveller:
        client = signed_in_client(fay)
        traveller.move_to(NOVEMBER_30 + DAY - dt.timedelta(minutes=4), tick=False)
        assert client.get("/admin/").status_code == 200
        traveller.move_to(NOVEMBER_30, tick=False)
        assert client.get("/admin/").status_code == 302
