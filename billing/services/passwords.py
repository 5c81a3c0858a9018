"""Links by which people set a new password, or their first one."""

import datetime as dt
import logging

from django.conf import settings
from django.contrib.auth.tokens import default_token_generator
from django.core.cache import cache
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode
from django.utils.translation import gettext as _

from billing.languages import in_language
from billing.models import OwedPasswordLink, User
from billing.queue import enqueue
from billing.smtp import is_for_good

log = logging.getLogger(__name__)
# One message a person in this time, however often the form is sent.
PAUSE = dt.timedelta(minutes=5)
TRY_AGAIN_AFTER = dt.timedelta(minutes=10)


def owe_password_link(*, user: User, now: dt.datetime) -> None:
    """Have a link mailed after the surrounding transaction, now or once it can be."""
    OwedPasswordLink.objects.update_or_create(user=user, defaults={"due_at": now})
    transaction.on_commit(lambda: enqueue("billing.mail_password_links"))


def mail_password_link(*, email: str, now: dt.datetime) -> bool:
    """Mail the link to who has this address and may sign in; whether there was anyone."""
    user = User.objects.filter(email__iexact=email, is_active=True).first()
    if user is None:
        return False
    # The time of joining keeps apart the people of databases that share a cache.
    sent = f"password-link:{user.pk}:{user.date_joined.timestamp()}"
    if cache.add(sent, "sent", PAUSE.total_seconds()):
        owe_password_link(user=user, now=now)
        mail_due(now=now)
    return True


def mail_due(*, now: dt.datetime) -> int:
    """Mail the links that are owed; how many.

    Each is claimed first, so that two workers do not send it at once; one that a worker was killed
    over, or the mail server did not take, is sent again: at least once. To a mailbox that there is
    not, none is owed any more.
    """
    due = OwedPasswordLink.objects.filter(due_at__lte=now, user__is_active=True)
    sent = 0
    for owed in due.select_related("user").order_by("due_at")[:100]:
        mine = OwedPasswordLink.objects.filter(pk=owed.pk)
        again_at = now + TRY_AGAIN_AFTER
        if not mine.filter(due_at=owed.due_at).update(due_at=again_at):
            continue
        try:
            _mail(owed.user)
        except OSError as error:
            if not is_for_good(error):
                log.warning("a password link was not mailed, it will be tried again: %s", error)
                continue
            log.warning("a password link was not mailed: there is no such mailbox: %s", error)
        else:
            sent += 1
        mine.filter(due_at=again_at).delete()
    return sent


def _mail(user: User) -> None:
    """Kept nowhere: queued e-mails can be read by staff, and this one opens an account.

    The link is good once, and for `PASSWORD_RESET_TIMEOUT` seconds from now.
    """
    path = reverse(
        "billing:set-password",
        args=[
            urlsafe_base64_encode(force_bytes(user.pk)),
            default_token_generator.make_token(user),
        ],
    )
    with in_language(language_of(user)):
        message = _message(user, path)
    message.send()


def language_of(user: User) -> str:
    """The one they chose, or of the workspace they have been in the longest; "" for staff."""
    if user.language:
        return user.language
    languages = user.memberships.order_by("created_at").values_list(
        "workspace__language", flat=True
    )
    return languages.first() or ""


def _message(user: User, path: str) -> EmailMultiAlternatives:
    context = {
        "site_url": settings.SITE_URL,
        "issuer": settings.ISSUER_NAME,
        "link": f"{settings.SITE_URL}{path}",
        "hours": settings.PASSWORD_RESET_TIMEOUT // 3600,
    }
    message = EmailMultiAlternatives(
        subject=_("Set your password for {issuer}").format(issuer=settings.ISSUER_NAME),
        body=render_to_string("emails/set_password.txt", context),
        to=[user.email],
    )
    message.attach_alternative(render_to_string("emails/set_password.html", context), "text/html")
    return message
