"""Closing all that is due: chunks, numbers, culprits blocked, command and tasks."""

import datetime as dt
import io

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from billing.models import BillingPeriod, Email, SubscriptionTier
from invoices import tasks
from invoices.models import Invoice
from invoices.payments.models import StripeSync
from invoices.services.closing import (
    CannotClose,
    close_workspaces,
    due_workspaces,
    finalize_due_periods,
    finalize_period,
)
from invoices.services.closing.chunk import close_chunk
from tests.kit.kept import fresh, made_once
from tests.kit.personas import make_workspace
from tests.kit.usage import make_usage
from usage.models import UsageRollup
from usage.services.ledger import rebuild_rollups

pytestmark = pytest.mark.django_db
OCTOBER_5 = dt.datetime(2026, 10, 5, 12, tzinfo=dt.UTC)
NOVEMBER_3 = dt.datetime(2026, 11, 3, 12, tzinfo=dt.UTC)
NOVEMBER_4 = dt.datetime(2026, 11, 4, 12, tzinfo=dt.UTC)
DECEMBER_3 = dt.datetime(2026, 12, 3, 12, tzinfo=dt.UTC)
JANUARY_3 = dt.datetime(2027, 1, 3, 12, tzinfo=dt.UTC)
NAMES = ("Acme", "Globex", "Initech", "Umbrella", "Hooli")


@made_once
def made():
    """Five workspaces, each with a use of 10.00 in October: 61.00 to pay."""
    made = {name: make_workspace(name) for name in NAMES}
    for each in made.values():
        make_usage(each, OCTOBER_5, "1", "10")
    return made


@pytest.fixture
def cast_in_october(made):
    return {name: fresh(each) for name, each in made.items()}


@pytest.fixture
def workers_at_hand(settings):
    """Tasks run at once, in the test's process."""
    settings.CELERY_TASK_ALWAYS_EAGER = True


def spoil(where):
    """The rollups say a dollar more than was counted."""
    UsageRollup.objects.filter(workspace=where).update(final_cost=13)


def october_of(where) -> BillingPeriod:
    return BillingPeriod.objects.get(workspace=where, period_start__lt=OCTOBER_5)


def numbers() -> list[str]:
    return list(Invoice.objects.order_by("number").values_list("number", flat=True))


def test_everything_due_is_closed_with_numbers_in_a_row(cast_in_october):
    seen = []

    summary = finalize_due_periods(now=NOVEMBER_3, progress=lambda *done: seen.append(done))

    assert (summary.finalized, summary.invoiced, summary.failed) == (5, 5, [])
    assert seen == [(5, 5)]
    assert numbers() == [f"INV-2026-00000{number}" for number in range(1, 6)]


def test_numbers_begin_anew_each_year_and_leave_no_gap_after_a_rollback(cast_in_october):
    class PowerCut(Exception):
        pass

    @transaction.atomic
    def close_and_fail():
        finalize_period(period_id=october_of(cast_in_october["Acme"]).pk, now=NOVEMBER_3)
        raise PowerCut

    with pytest.raises(PowerCut):
        close_and_fail()

    assert numbers() == []
    finalize_due_periods(now=NOVEMBER_3)
    finalize_due_periods(now=JANUARY_3)
    assert numbers() == [
        *(f"INV-2026-00000{number}" for number in range(1, 6)),
        *(f"INV-2027-00000{number}" for number in range(1, 6)),
        *(f"INV-2027-00000{number}" for number in range(6, 10)),
        "INV-2027-000010",
    ]


def test_a_poisoned_period_is_blocked_and_the_others_go_on(cast_in_october, settings):
    settings.FINANCE_EMAILS = ["finance@voice.test"]
    initech = cast_in_october["Initech"]
    spoil(initech)

    summary = finalize_due_periods(now=NOVEMBER_3)

    assert (summary.finalized, summary.invoiced) == (4, 4)
    (failure,) = summary.failed
    blocked = october_of(initech)
    assert (failure.period_id, failure.workspace_id) == (blocked.pk, initech.pk)
    assert failure.reason == blocked.close_error
    assert blocked.close_error.startswith(
        f"Period {blocked.pk} counted 1 records for 12.0000000000,"
        " its rollups hold 1 for 13.0000000000"
    )
    assert (blocked.status, blocked.close_failed_at) == ("current", NOVEMBER_3)
    assert numbers() == [f"INV-2026-00000{number}" for number in range(1, 5)]
    email = Email.objects.get(kind="finance")
    assert email.subject == "October 2026 of Initech could not be closed"
    # It still takes usage: nothing of the failed close is left.
    make_usage(initech, OCTOBER_5, "1", "1", now=NOVEMBER_3)
    assert blocked.usage_records.count() == 2


def test_the_schedule_leaves_a_blocked_period_alone_until_it_is_retried(cast_in_october):
    initech = cast_in_october["Initech"]
    spoil(initech)
    finalize_due_periods(now=NOVEMBER_3)
    rebuild_rollups(workspace_id=initech.pk)

    assert finalize_due_periods(now=NOVEMBER_4, retry_blocked=False).finalized == 0
    assert list(due_workspaces(now=NOVEMBER_4)) == []
    assert list(due_workspaces(now=NOVEMBER_4, retry_blocked=True)) == [[initech.pk]]
    assert finalize_due_periods(now=NOVEMBER_4, workspace_id=initech.pk).finalized == 1

    closed = october_of(initech)
    assert (closed.status, closed.close_error, closed.close_failed_at) == ("finalized", "", None)
    assert str(Invoice.objects.get(workspace=initech).amount) == "61.000"


def test_finance_hears_once_of_a_period_that_keeps_failing(cast_in_october, settings):
    settings.FINANCE_EMAILS = ["finance@voice.test"]
    spoil(cast_in_october["Acme"])

    for now in (NOVEMBER_3, NOVEMBER_4):
        assert len(finalize_due_periods(now=now).failed) == 1

    assert Email.objects.filter(kind="finance").count() == 1
    assert october_of(cast_in_october["Acme"]).close_failed_at == NOVEMBER_4


def test_an_error_of_the_database_blocks_its_period_only(cast_in_october):
    # More than an invoice's amount holds.
    make_usage(cast_in_october["Globex"], OCTOBER_5, "80000000000", "9999999")

    summary = finalize_due_periods(now=NOVEMBER_3)

    assert summary.finalized == 4
    assert summary.failed[0].workspace_id == cast_in_october["Globex"].pk
    assert summary.failed[0].reason.startswith("DataError: numeric field overflow")


def test_a_tier_without_a_price_in_the_currency_is_refused(cast_in_october):
    tier = SubscriptionTier.objects.create(name="legacy")
    period = october_of(cast_in_october["Acme"])
    BillingPeriod.objects.filter(pk=period.pk).update(tier=tier)

    with pytest.raises(CannotClose) as refused:
        finalize_period(period_id=period.pk, now=NOVEMBER_3)

    assert refused.value.code == "no_price_in_currency"
    period.refresh_from_db()
    assert period.status == "current"


def test_closing_a_chunk_that_came_twice_bills_once(cast_in_october):
    (chunk,) = due_workspaces(now=NOVEMBER_3)
    assert len(chunk) == 5

    first = close_workspaces(workspace_ids=chunk, now=NOVEMBER_3)
    second = close_workspaces(workspace_ids=chunk, now=NOVEMBER_4)

    assert (first.invoiced, second.finalized, second.invoiced) == (5, 0, 0)
    assert Invoice.objects.count() == 5


def test_a_chunk_takes_the_same_statements_whatever_is_in_it(cast_in_october):
    warm, first, *others = [october_of(each).pk for each in cast_in_october.values()]
    # What documents of all workspaces share (how their issuer looks) is written by the first.
    close_chunk(period_ids=[warm], now=NOVEMBER_3)

    with CaptureQueriesContext(connection) as of_one:
        close_chunk(period_ids=[first], now=NOVEMBER_3)
    with CaptureQueriesContext(connection) as of_three:
        close_chunk(period_ids=others, now=NOVEMBER_3)

    # As many for one as for three, the savepoint that a transaction is in a test among them.
    assert len(of_one) == len(of_three) == 22


def test_the_command_closes_and_says_what_it_did(cast_in_october):
    out = io.StringIO()

    call_command("finalize_due_periods", "--now", "2026-11-03T12:00:00Z", stdout=out)

    assert out.getvalue() == "5 periods finalized, 5 invoices, 0 failed\n"


def test_the_command_fails_when_a_period_does(cast_in_october):
    acme = cast_in_october["Acme"]
    spoil(acme)
    out, err = io.StringIO(), io.StringIO()

    with pytest.raises(CommandError) as failed:
        call_command(
            "finalize_due_periods", "--now", "2026-11-03T12:00:00Z", stdout=out, stderr=err
        )

    assert failed.value.returncode == 1
    assert out.getvalue() == "4 periods finalized, 4 invoices, 1 failed\n"
    assert f"period {october_of(acme).pk} of workspace {acme.pk}: Period" in err.getvalue()


def test_the_command_can_close_one_workspace(cast_in_october):
    acme = cast_in_october["Acme"]

    call_command(
        "finalize_due_periods",
        "--now=2026-11-03T12:00:00Z",
        f"--workspace={acme.pk}",
        stdout=io.StringIO(),
    )

    assert Invoice.objects.get().workspace == acme


def test_the_scheduled_task_hands_chunks_to_the_workers(
    cast_in_october, workers_at_hand, time_machine
):
    spoil(cast_in_october["Hooli"])
    time_machine.move_to(NOVEMBER_3, tick=False)

    tasks.finalize_due_periods()
    tasks.finalize_due_periods()

    assert numbers() == [f"INV-2026-00000{number}" for number in range(1, 5)]
    assert october_of(cast_in_october["Hooli"]).close_failed_at == NOVEMBER_3

    rebuild_rollups()
    tasks.finalize_due_periods(retry_blocked=True)
    assert len(numbers()) == 5


def test_one_message_starts_the_stripe_syncs_and_one_the_mails_of_a_chunk(
    cast_in_october, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks() as callbacks:
        finalize_due_periods(now=NOVEMBER_3)

    assert len(callbacks) == 2


def test_the_invoice_is_mailed_and_its_stripe_sync_begun(
    cast_in_october, workers_at_hand, django_capture_on_commit_callbacks, time_machine, mailoutbox
):
    time_machine.move_to(NOVEMBER_3, tick=False)

    with django_capture_on_commit_callbacks(execute=True):
        finalize_due_periods(now=NOVEMBER_3, workspace_id=cast_in_october["Acme"].pk)

    assert [mail.subject for mail in mailoutbox] == [
        "Invoice INV-2026-000001 from Voice Platform Inc."
    ]
    assert StripeSync.objects.get().invoice.number == "INV-2026-000001"


def test_the_close_reads_no_usage_record(cast_in_october):
    with connection.execute_wrapper(_refuse_records):
        assert finalize_due_periods(now=NOVEMBER_3).invoiced == 5


def _refuse_records(execute, statement, *args):
    assert "usage_usagerecord" not in statement
    return execute(statement, *args)
