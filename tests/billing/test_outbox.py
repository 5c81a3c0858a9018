"""The outbox: e-mails wait for a mail server that is down, and are given up at last."""

import datetime as dt
from smtplib import SMTPException

import pytest
from django.core.mail import EmailMultiAlternatives

from billing.models import Email
from billing.services.emails import EMAILS, deliver, queue_email

pytestmark = pytest.mark.django_db
FRIDAY = dt.datetime(2026, 11, 6, 18, tzinfo=dt.UTC)


@pytest.fixture
def email() -> Email:
    queued = queue_email(
        key="a message",
        kind="finance",
        recipients=["finance@platform.test"],
        subject="A message",
        template="emails/notification",
        context={"notification": {"subject": "A message", "paragraphs": ["Hello."]}},
        now=FRIDAY,
    )
    assert queued is not None
    return queued


@pytest.fixture
def server_is_down(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    def refuse(message: EmailMultiAlternatives) -> int:
        raise SMTPException("421 try again later")

    monkeypatch.setattr(EmailMultiAlternatives, "send", refuse)
    return monkeypatch


def try_until(email: Email, end: dt.datetime) -> None:
    """Whenever it is due, as the sweep does."""
    email.refresh_from_db()
    while email.status == "waiting" and email.next_attempt_at <= end:
        assert EMAILS.due(now=email.next_attempt_at) == [email.pk]
        deliver(email_id=email.pk, now=email.next_attempt_at)
        email.refresh_from_db()


def test_a_server_that_is_down_for_a_weekend_loses_nothing(
    email: Email, server_is_down: pytest.MonkeyPatch, mailoutbox: list
) -> None:
    monday = FRIDAY + dt.timedelta(hours=63)
    try_until(email, monday)
    assert email.status == "waiting"
    server_is_down.undo()
    try_until(email, monday + dt.timedelta(hours=2))
    assert email.status == "done"
    assert [message.subject for message in mailoutbox] == ["A message"]


def test_after_a_week_it_is_given_up_and_says_why(
    email: Email, server_is_down: pytest.MonkeyPatch
) -> None:
    try_until(email, FRIDAY + dt.timedelta(days=7))
    assert (email.status, email.blocked_reason) == ("blocked", "exhausted")
    assert email.last_error == "421 try again later"
