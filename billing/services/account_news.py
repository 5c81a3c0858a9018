"""Mails to a person whose way of signing in has changed: who did not do it knows, and can act.

For staff, the other superusers are told too: an account that sees everything is everybody's matter.
"""

import datetime as dt
from uuid import uuid4

from django.db.models import Q
from django.utils import timezone as clock
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as _noop

from billing.languages import in_language
from billing.links import admin_url, page_url
from billing.models import User
from billing.services.notifications import Notification, queue_notification
from billing.services.passwords import language_of

APP_ADDED = _noop("An authenticator app was set up for your account")
APP_REMOVED = _noop("The authenticator app of your account was removed")
PASSKEY_ADDED = _noop("A passkey was added to your account")
PASSKEY_REMOVED = _noop("A passkey was removed from your account")
CODES_RENEWED = _noop("New recovery codes were made for your account")
FACTOR_RESET = _noop("The second factor of your account was reset")
PASSWORD_CHANGED = _noop("The password of your account was changed")


def tell(user: User, what: str, *, now: dt.datetime, named: str = "") -> None:
    """Queue the mails about `what`, one of the texts above; `named` is the passkey's name."""
    key = uuid4().hex
    with in_language(language_of(user)):
        _queue(
            f"account:{key}",
            user.email,
            Notification(
                subject=_(what),
                paragraphs=[
                    _(
                        "If that was not you, set a new password at once, end the sessions that you"
                        " do not know, and tell us."
                    )
                ],
                facts=_facts(user, named, now),
                link_label=_("Your account"),
                link_url=page_url("billing:account"),
            ),
            now,
        )
    if not (user.is_staff or user.is_superuser):
        return
    others = User.objects.filter(is_superuser=True, is_active=True).exclude(pk=user.pk)
    for other in others.filter(~Q(email="")).order_by("pk"):
        notification = Notification(
            subject=f"{user.email}: {what.replace('your account', 'this account')}",
            paragraphs=["Ask whoever it is, not by e-mail, if you did not expect it."],
            facts=_facts(user, named, now),
            link_label="Open the account",
            link_url=admin_url(user),
        )
        _queue(f"account:{key}:{other.pk}", other.email, notification, now)


def tell_password_changed(user: User, **_signal: object) -> None:
    """Follows `billing.signals.password_changed`, which is sent by whatever saves one."""
    tell(user, PASSWORD_CHANGED, now=clock.now())


def _facts(user: User, named: str, now: dt.datetime) -> list[tuple[str, str]]:
    facts = [
        (_("Account"), user.email),
        (_("Time"), f"{now.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"),
    ]
    return [*facts, (_("Passkey"), named)] if named else facts


def _queue(key: str, address: str, notification: Notification, now: dt.datetime) -> None:
    queue_notification(notification, key=key, kind="account", recipients=[address], now=now)
