"""Short e-mails in one form: paragraphs, facts, and one link to where it goes on."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings
from django.db.models import Model

from billing.links import admin_url
from billing.services.emails import queue_email

TEMPLATE = "emails/notification"


@dataclass(frozen=True)
class Notification:
    """What the e-mail says; `facts` are (label, value)."""

    subject: str
    paragraphs: Sequence[str]
    facts: Sequence[tuple[str, str]] = ()
    link_label: str = ""
    link_url: str = ""


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
    queue_email(
        key=f"finance:{key}"[:200],
        kind="finance",
        recipients=settings.FINANCE_EMAILS,
        subject=subject[:200],
        template=TEMPLATE,
        context={
            "notification": Notification(
                subject=subject,
                paragraphs=paragraphs,
                facts=facts,
                link_label="Open the admin",
                link_url=admin_url(about),
            )
        },
        now=now,
    )
