"""Background work of billing: each task loads by id and calls one service."""

from uuid import UUID

from celery import shared_task
from django.utils import timezone as clock

from billing.services import (
    emails,
    erasure,
    invitations,
    passwords,
    periods,
    sign_in,
    tax_numbers,
    work,
)


@shared_task(name="billing.deliver_email")
def deliver_email(email_id: str) -> None:
    emails.deliver(email_id=UUID(email_id), now=clock.now())


@shared_task(name="billing.start_due_work")
def start_due_work() -> None:
    work.start_due_work(now=clock.now())


@shared_task(name="billing.open_missing_periods")
def open_missing_periods() -> None:
    periods.open_missing_periods(now=clock.now())


@shared_task(name="billing.mail_password_link")
def mail_password_link(email: str) -> None:
    passwords.mail_password_link(email=email, now=clock.now())


@shared_task(name="billing.mail_password_links")
def mail_password_links() -> None:
    passwords.mail_due(now=clock.now())


@shared_task(name="billing.mail_invitations")
def mail_invitations() -> None:
    invitations.mail_due(now=clock.now())


@shared_task(name="billing.check_tax_number")
def check_tax_number(workspace_id: str) -> None:
    tax_numbers.check_tax_number(workspace_id=UUID(workspace_id), now=clock.now())


@shared_task(name="billing.check_old_tax_numbers")
def check_old_tax_numbers() -> None:
    now = clock.now()
    tax_numbers.check_missing(now=now)
    tax_numbers.check_old_answers_again(now=now)


@shared_task(name="billing.prune_sign_ins")
def prune_sign_ins() -> None:
    sign_in.prune(now=clock.now())


@shared_task(name="billing.empty_old_emails")
def empty_old_emails() -> None:
    erasure.empty_old_emails(now=clock.now())
