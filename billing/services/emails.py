"""Delivery of queued e-mails: queued with the change that causes them, sent after its commit."""

import datetime as dt
import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple
from uuid import UUID, uuid4

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Lower
from django.template.loader import render_to_string

from billing.errors import Conflict
from billing.languages import in_language
from billing.models import (
    Email,
    EmailAttachment,
    OptionalMail,
    User,
    Workspace,
    WorkspaceMember,
)
from billing.services.work import Busy, Claim, LeaseLost, WorkKind
from billing.smtp import PartlyRefused, RefusedFor, is_for_good, refusals_of

log = logging.getLogger(__name__)
# The mail server may be down for a long weekend: three to six days of tries.
EMAILS = WorkKind(
    Email,
    task="billing.deliver_email",
    first_wait=dt.timedelta(minutes=2),
    longest_wait=dt.timedelta(hours=2),
    max_attempts=80,
    may_be_given_up=True,
)


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
    unsubscribe_url: str = "",
) -> Email | None:
    """Queue one message, rendered from `<template>.txt` and `<template>.html`.

    `key` names what it is about: a second call with the same key queues nothing and returns None.
    Delivery starts when the surrounding transaction commits; a lost start is swept up.
    """
    if not recipients:
        log.warning("e-mail %s has nobody to go to", key)
        return None
    context = {
        "site_url": settings.SITE_URL,
        "issuer": settings.ISSUER_NAME,
        "unsubscribe_url": unsubscribe_url,
        **context,
    }
    email, created = Email.objects.get_or_create(
        key=key,
        defaults={
            "kind": kind,
            "workspace_id": workspace_id,
            "recipients": list(recipients),
            "subject": subject,
            "text": render_to_string(f"{template}.txt", context),
            "html": render_to_string(f"{template}.html", context),
            "unsubscribe_url": unsubscribe_url,
            "requested_at": now,
            "next_attempt_at": now,
        },
    )
    if not created:
        return None
    EmailAttachment.objects.bulk_create(
        [EmailAttachment(email=email, **attachment._asdict()) for attachment in attachments]
    )
    EMAILS.start(email.pk)
    return email


def deliver(*, email_id: UUID, now: dt.datetime) -> bool:
    """Send a queued message that is due; whether it was sent now.

    No transaction is open while the mail server is spoken to. A worker killed between sending and
    noting it sends it again: at least once, never silently not at all.
    """
    try:
        with EMAILS.claimed(email_id, now) as claim:
            return _send(claim)
    except (Busy, LeaseLost):
        return False


def _send(claim: Claim[Email]) -> bool:
    email = claim.row
    message = EmailMultiAlternatives(
        subject=email.subject, body=email.text, to=email.recipients, headers=_headers(email)
    )
    if email.html:
        message.attach_alternative(email.html, "text/html")
    for attachment in email.attachments.all():
        message.attach(attachment.filename, bytes(attachment.content), attachment.media_type)
    try:
        message.send()
    except PartlyRefused as error:
        _keep_for(claim, error.refused)
        return True
    except OSError as error:
        said = "; ".join(map(str, refusals_of(error))) or str(error)
        if is_for_good(error):
            claim.block(Email.Reason.REFUSED, said)
        else:
            log.warning("e-mail %s was not sent: %s", email.key, said)
            claim.retry_later(said)
        return False
    claim.done()
    return True


def _headers(email: Email) -> dict[str, str]:
    if not email.unsubscribe_url:
        return {}
    # RFC 8058: mail programs show a button, and one POST to the address is all it takes.
    return {
        "List-Unsubscribe": f"<{email.unsubscribe_url}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }


def _keep_for(claim: Claim[Email], refused: Sequence[RefusedFor]) -> None:
    """Those it was sent to have it; for each other recipient it goes on as a message of its own."""
    email, now = claim.row, claim.clock()
    missing = {each.address for each in refused}
    with transaction.atomic():
        for each in refused:
            is_final = each.code >= 500
            own = Email.objects.create(
                # As often as it is sent to all: `resend`.
                key=f"{email.key[:160]}:{uuid4().hex}",
                kind=email.kind,
                workspace_id=email.workspace_id,
                recipients=[each.address],
                subject=email.subject,
                text=email.text,
                html=email.html,
                unsubscribe_url=email.unsubscribe_url,
                requested_at=now,
                next_attempt_at=now + EMAILS.wait(1),
                attempts=1,
                status=Email.Status.BLOCKED if is_final else Email.Status.WAITING,
                blocked_reason=Email.Reason.REFUSED if is_final else "",
                last_error=str(each),
            )
            for attachment in email.attachments.all():
                attachment.pk, attachment.email = None, own
                attachment.save(force_insert=True)
        email.recipients = [each for each in email.recipients if each not in missing]
        email.save(update_fields=["recipients"])
        claim.done()


class NoTextLeft(Conflict):
    """The message was emptied, since it is old or its customer was erased."""


def require_text(email: Email) -> None:
    """Raises `NoTextLeft` where there is nothing left to send."""
    if not email.recipients:
        raise NoTextLeft("Its text and recipients are no longer kept.")


def resend(*, email_id: UUID, now: dt.datetime) -> None:
    """Send a message once more as it is, sent or not before; staff ask for it.

    Raises `NotFound` and `NoTextLeft`.
    """
    with transaction.atomic():
        email: Email = EMAILS.locked(email_id)
        require_text(email)
        EMAILS.reset(email, now, requested_at=now)


def in_each_language(
    workspace: Workspace, addresses: Sequence[str], send: Callable[[str, list[str]], bool]
) -> bool:
    """Call `send` once for each language that its readers want, with that one in force.

    A person is written to in the language they have chosen, everybody else in the workspace's.
    `send` gets what to add to the message's key, nothing for the first, and whom it is for; whether
    any call returned true.
    """
    chosen = {
        email.lower(): language
        for email, language in User.objects.annotate(lower=Lower("email"))
        .filter(lower__in=[address.lower() for address in addresses])
        .exclude(language="")
        .values_list("email", "language")
    }
    readers: dict[str, list[str]] = {}
    for address in addresses:
        language = chosen.get(address.lower(), workspace.language)
        readers.setdefault(language, []).append(address)
    sent = False
    for place, (language, recipients) in enumerate(readers.items()):
        with in_language(language):
            sent |= send(f":{language}" if place else "", recipients)
    return sent


def owner_addresses(workspace_id: UUID) -> list[str]:
    """Addresses of the owners of a workspace, for what they must know."""
    return list(_owners(workspace_id).values_list("user__email", flat=True))


def addresses_wanting(workspace: Workspace, mail: OptionalMail) -> list[str]:
    """Of its owners, those who have not turned such mails off; without owners, the billing's."""
    owners = list(_owners(workspace.pk).values_list("user__email", "mails_off"))
    if not owners:
        return [workspace.billing_email] if workspace.billing_email else []
    return [address for address, off in owners if mail not in off]


def _owners(workspace_id: UUID) -> QuerySet[WorkspaceMember]:
    return WorkspaceMember.objects.filter(
        workspace_id=workspace_id, role=WorkspaceMember.Role.OWNER, user__is_active=True
    ).order_by("user__email")
