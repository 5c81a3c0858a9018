"""Background work of billing: each task loads by id and calls one service."""

import logging
from typing import Any
from uuid import UUID

from celery import Signature, Task, shared_task
from django.utils import timezone as clock
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from billing.services import emails, passwords, periods

log = logging.getLogger(__name__)


def enqueue(task: Task | Signature, *args: Any) -> None:
    """Start a task soon, or after the `countdown` of its signature.

    A broker that is down loses nothing: the task's sweep finds the work.
    """
    try:
        task.delay(*args)
    except (OperationalError, RedisError, OSError) as error:
        log.warning("could not queue %s%r, its sweep will: %s", task.name, args, error)


@shared_task(name="billing.deliver_email")
def deliver_email(email_id: str) -> None:
    emails.deliver(email_id=UUID(email_id), now=clock.now())


@shared_task(name="billing.deliver_emails")
def deliver_emails() -> None:
    now = clock.now()
    for email_id in emails.due_emails(now=now):
        emails.deliver(email_id=email_id, now=now)


@shared_task(name="billing.open_missing_periods")
def open_missing_periods() -> None:
    periods.open_missing_periods(now=clock.now())


@shared_task(name="billing.mail_password_link")
def mail_password_link(email: str) -> None:
    passwords.mail_password_link(email=email)
