"""Durable work: one process at a time, tried again ever later, never lost and never hidden."""

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection
from pytest_django import Settings

from billing.models import Email
from billing.services import work
from billing.services.emails import EMAILS, resend
from tests.kit.personas import NOW

pytestmark = pytest.mark.django_db
LATER = NOW + dt.timedelta(days=1)


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
def email(db: None) -> Email:
    return make_email()


def make_email(key: str = "a key") -> Email:
    return Email.objects.create(
        key=key,
        kind="limit",
        recipients=["owner@acme.test"],
        subject="About Acme",
        text="Hello.",
        requested_at=NOW,
        next_attempt_at=NOW,
    )


def test_what_is_done_is_not_tried_again(email: Email) -> None:
    with EMAILS.claimed(email.pk, NOW) as claim:
        claim.done()
    email.refresh_from_db()
    assert (email.status, email.finished_at is not None, email.lease_token) == ("done", True, None)
    with pytest.raises(work.Busy), EMAILS.claimed(email.pk, LATER):
        pytest.fail("it was done")


def test_waits_double_up_to_the_longest_and_spread(email: Email) -> None:
    for attempts, minutes in ((1, 2), (2, 4), (5, 32), (7, 120), (70, 120)):
        for _ in range(20):
            wait = EMAILS.wait(attempts)
            assert dt.timedelta(minutes=minutes / 2) <= wait <= dt.timedelta(minutes=minutes)


def test_a_fault_of_our_own_is_noted_and_waits_its_turn_as_any_other(email: Email) -> None:
    with pytest.raises(ZeroDivisionError), EMAILS.claimed(email.pk, NOW):
        1 / 0  # noqa: B018 - the fault
    email.refresh_from_db()
    assert (email.status, email.attempts) == ("waiting", 1)
    assert email.last_error == "Unexpected ZeroDivisionError: division by zero"
    assert email.next_attempt_at >= NOW + dt.timedelta(minutes=1)
    assert EMAILS.due(now=NOW) == []


def test_a_killed_process_keeps_others_out_until_its_lease_runs_out(email: Email) -> None:
    with pytest.raises(Killed), EMAILS.claimed(email.pk, NOW):
        raise Killed
    assert EMAILS.due(now=NOW) == []
    after = NOW + work.lease_duration() + dt.timedelta(seconds=1)
    assert EMAILS.due(now=after) == [email.pk]
    with EMAILS.claimed(email.pk, after) as claim:
        assert claim.row.attempts == 2


def test_what_is_asked_for_anew_during_a_try_is_tried_once_more(email: Email) -> None:
    with EMAILS.claimed(email.pk, NOW) as claim:
        resend(email_id=email.pk, now=LATER)
        claim.done()
    email.refresh_from_db()
    assert (email.status, email.requested_at, email.attempts) == ("waiting", LATER, 0)


def test_what_is_being_tried_cannot_be_given_up(email: Email) -> None:
    with EMAILS.claimed(email.pk, NOW), pytest.raises(work.CannotGiveUp):
        EMAILS.give_up(email.pk, NOW)
    EMAILS.give_up(email.pk, NOW)
    email.refresh_from_db()
    assert (email.status, email.finished_at) == ("failed", NOW)
    with pytest.raises(work.NothingToRetry):
        EMAILS.retry_now(email.pk, NOW)
    assert EMAILS.due(now=LATER) == []


def test_one_sweep_starts_what_is_due_of_every_kind(
    email: Email, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_email("for tomorrow")
    Email.objects.filter(key="for tomorrow").update(next_attempt_at=LATER)
    started: list[tuple[str, str]] = []
    monkeypatch.setattr(work, "enqueue", lambda task, pk: started.append((task, pk)))

    assert work.start_due_work(now=NOW) == 1
    assert work.start_due_work(now=NOW) == 0, "it is in the queue"

    assert started == [("billing.deliver_email", str(email.pk))]
    assert sorted(work.kinds()) == [
        "billing.email",
        "billing.taxnumbercheck",
        "invoices.einvoicedelivery",
        "invoices.taxcalculation",
        "payments.chargebackevidence",
        "payments.creditnotesync",
        "payments.invoiceaction",
        "payments.reportedpayment",
        "payments.stripecustomer",
        "payments.stripesync",
        "usage.budgetdelivery",
    ]


@pytest.mark.django_db(transaction=True)
def test_of_many_who_claim_at_once_one_gets_it() -> None:
    email = make_email()
    together = Barrier(6)

    def claim() -> bool:
        together.wait()
        try:
            with EMAILS.claimed(email.pk, NOW) as claimed:
                claimed.done()
                return True
        except work.Busy:
            return False
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        got = [future.result() for future in [pool.submit(claim) for _ in range(6)]]
    assert got.count(True) == 1
