"""Delivery of queued e-mails: queued with the change that causes them, sent after its commit."""

import datetime as dt
import logging
from collections.abc import Sequence
from smtplib import SMTPException
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.template.loader import render_to_string

from billing.models import Email, EmailAttachment, WorkspaceMember
from billing.queue import enqueue

log = logging.getLogger(__name__)
# The mail server may be down for a long weekend: about four days of tries.
MAX_ATTEMPTS = 54
LONGEST_WAIT_MINUTES = 120


class Attachment(NamedTuple):
    filename: str
    media_type: str
    content: bytes


def queue_email(
    *,
    key: str,
    kind: str,
    recipients: Sequence[str],
    subject: str,
    template: str,
    context: dict[str, object],
    now: dt.datetime,
    workspace_id: UUID | None = None,
    attachments: Sequence[Attachment] = (),
) -> Email | None:
    """Queue one message, rendered from `<template>.txt` and `<template>.html`.

    `key` names what it is about: a second call with the same key queues nothing and returns None.
    Delivery starts when the surrounding transaction commits; a lost start is swept up.
    """
    if not recipients:
        log.warning("e-mail %s has nobody to go to", key)
        return None
    context = {"site_url": settings.SITE_URL, "issuer": settings.ISSUER_NAME, **context}
    email, created = Email.objects.get_or_create(
        key=key,
        defaults={
            "kind": kind,
            "workspace_id": workspace_id,
            "recipients": list(recipients),
            "subject": subject,
            "text": render_to_string(f"{template}.txt", context),
            "html": render_to_string(f"{template}.html", context),
            "created_at": now,
            "next_try_at": now,
        },
    )
    if not created:
        return None
    EmailAttachment.objects.bulk_create(
        [EmailAttachment(email=email, **attachment._asdict()) for attachment in attachments]
    )
    transaction.on_commit(lambda: _start_delivery(email.pk))
    return email


def _start_delivery(email_id: UUID) -> None:
    enqueue("billing.deliver_email", str(email_id))


def deliver(*, email_id: UUID, now: dt.datetime) -> bool:
    """Send a queued message that is due; whether it was sent now.

    The attempt is claimed and committed first, so that two workers do not send it at once and no
    transaction is open while the mail server is spoken to. A failure is tried again later, ever
    more slowly up to every two hours; after `MAX_ATTEMPTS` the message is marked failed. A worker
    killed between sending and noting it sends it again: at least once, never silently not at all.
    """
    email = _claim(email_id, now)
    if email is None:
        return False
    message = EmailMultiAlternatives(subject=email.subject, body=email.text, to=email.recipients)
    if email.html:
        message.attach_alternative(email.html, "text/html")
    for attachment in email.attachments.all():
        message.attach(attachment.filename, bytes(attachment.content), attachment.media_type)
    try:
        message.send()
    except (OSError, SMTPException) as error:
        log.warning("e-mail %s was not sent: %s", email.key, error)
        email.last_error = str(error)
        if email.attempts >= MAX_ATTEMPTS:
            email.status = Email.Status.FAILED
        email.save(update_fields=["last_error", "status"])
        return False
    email.status = Email.Status.SENT
    email.sent_at = now
    email.last_error = ""
    email.save(update_fields=["status", "sent_at", "last_error"])
    return True


def _claim(email_id: UUID, now: dt.datetime) -> Email | None:
    with transaction.atomic():
        email = (
            Email.objects.select_for_update(skip_locked=True)
            .filter(pk=email_id, status=Email.Status.QUEUED, next_try_at__lte=now)
            .first()
        )
        if email is not None:
            email.attempts += 1
            email.next_try_at = now + dt.timedelta(
                minutes=min(2**email.attempts, LONGEST_WAIT_MINUTES)
            )
            email.save(update_fields=["attempts", "next_try_at"])
        return email


def resend(*, email_id: UUID, now: dt.datetime) -> None:
    """Send a message once more as it is, sent or failed before; staff ask for it."""
    with transaction.atomic():
        email = Email.objects.select_for_update().get(pk=email_id)
        email.status = Email.Status.QUEUED
        email.attempts = 0
        email.last_error = ""
        email.next_try_at = now
        email.save(update_fields=["status", "attempts", "last_error", "next_try_at"])
        transaction.on_commit(lambda: _start_delivery(email.pk))


def due_emails(*, now: dt.datetime, limit: int = 500) -> list[UUID]:
    return list(
        Email.objects.filter(status=Email.Status.QUEUED, next_try_at__lte=now)
        .order_by("next_try_at")
        .values_list("pk", flat=True)[:limit]
    )


def owner_addresses(workspace_id: UUID) -> list[str]:
    """Addresses of the owners of a workspace, for what they must know."""
    return list(
        WorkspaceMember.objects.filter(
            workspace_id=workspace_id, role=WorkspaceMember.Role.OWNER, user__is_active=True
        )
        .order_by("user__email")
        .values_list("user__email", flat=True)
    )
