"""Short e-mails in one form: paragraphs, facts, and one link to where it goes on."""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.conf import settings
from django.db.models import Model

from billing.issuers import issuer_of
from billing.links import admin_url
from billing.models import Workspace
from billing.services.emails import Attachment, in_each_language, queue_email

_TEMPLATE = "emails/notification"


@dataclass(frozen=True)
class Notification:
    """What the e-mail says; `facts` are (label, value)."""

    subject: str
    paragraphs: Sequence[str]
    facts: Sequence[tuple[str, str]] = ()
    link_label: str = ""
    link_url: str = ""


def queue_notification(
    notification: Notification,
    *,
    key: str,
    kind: str,
    recipients: Sequence[str],
    now: dt.datetime,
    workspace: Workspace | None = None,
    issuer: str = "",
    attachments: Sequence[Attachment] = (),
    unsubscribe_url: str = "",
) -> bool:
    """Whether it was queued now: the same key again queues nothing.

    About a workspace it is from that one's issuer, unless another is named.
    """
    context: dict[str, object] = {"notification": notification}
    if workspace is not None:
        issuer = issuer or issuer_of(workspace.issuing_entity).name
        context |= {"workspace": workspace, "issuer": issuer}
    email = queue_email(
        key=key[:200],
        kind=kind,
        recipients=recipients,
        subject=notification.subject[:200],
        template=_TEMPLATE,
        context=context,
        now=now,
        workspace_id=workspace.pk if workspace else None,
        attachments=attachments,
        unsubscribe_url=unsubscribe_url,
    )
    return email is not None


def mail_notification(
    workspace: Workspace,
    addresses: Sequence[str],
    said: Callable[[], Notification],
    *,
    key: str,
    kind: str,
    now: dt.datetime,
    issuer: str = "",
    attachments: Sequence[Attachment] = (),
    unsubscribe_url: str = "",
) -> bool:
    """As `queue_notification`, to each in their language: `said` makes the message in the one that
    is in force."""

    def send(suffix: str, recipients: list[str]) -> bool:
        return queue_notification(
            said(),
            key=f"{key}{suffix}",
            kind=kind,
            recipients=recipients,
            now=now,
            workspace=workspace,
            issuer=issuer,
            attachments=attachments,
            unsubscribe_url=unsubscribe_url,
        )

    return in_each_language(workspace, addresses, send)


def notify_finance(
    *,
    key: str,
    subject: str,
    paragraphs: Sequence[str],
    now: dt.datetime,
    facts: Sequence[tuple[str, str]] = (),
    about: Model | None = None,
) -> None:
    """One message to `FINANCE_EMAILS`, with a link to `about` in the admin; nothing without any."""
    if not settings.FINANCE_EMAILS:
        return
    notification = Notification(
        subject=subject,
        paragraphs=paragraphs,
        facts=facts,
        link_label="Open the admin",
        link_url=admin_url(about),
    )
    queue_notification(
        notification,
        key=f"finance:{key}",
        kind="finance",
        recipients=settings.FINANCE_EMAILS,
        now=now,
    )
