"""The second factor: an app's code (django-otp) or a passkey, and recovery codes for a lost one."""

import datetime as dt
import hashlib
import logging
import secrets
from typing import Any, NamedTuple

import segno
from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django_otp import verify_token
from django_otp.models import Device
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from billing.errors import BillingError, Conflict
from billing.models import Passkey, Session, User
from billing.services import account_news

log = logging.getLogger(__name__)
RECOVERY_CODES = 10
# Easily told apart and typed: no l, 1, o or 0. 32 to the 12th: 60 bits.
_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"


class WrongCode(BillingError):
    code = "wrong_code"


class NotYours(Conflict):
    code = "not_yours"


class Enrolment(NamedTuple):
    """What an authenticator app is given."""

    device: TOTPDevice
    secret: str
    picture: SafeString


class LastOne(Conflict):
    code = "last_second_factor"


def has_app(user: User) -> bool:
    return TOTPDevice.objects.filter(user=user, confirmed=True).exists()


def is_enrolled(user: User) -> bool:
    """By an app or a passkey, one that was made at another address of ours included: who has only
    that takes a recovery code."""
    return has_app(user) or Passkey.objects.filter(user=user).exists()


def described(user: User) -> str:
    passkeys = Passkey.objects.filter(user=user).count()
    parts = ["an app"] if has_app(user) else []
    if passkeys:
        parts.append(f"{passkeys} passkey{'' if passkeys == 1 else 's'}")
    return " and ".join(parts).capitalize() or "Not set up"


def is_needed(user: User) -> bool:
    return user.is_staff and settings.STAFF_SECOND_FACTOR


def begin_enrolment(*, user: User) -> Enrolment:
    """The same secret until it is confirmed, so that a page opened twice shows one."""
    with transaction.atomic():
        # No constraint keeps two pages that are opened at once from making a device each.
        User.objects.select_for_update(no_key=True).get(pk=user.pk)
        device, _ = TOTPDevice.objects.get_or_create(
            user=user, confirmed=False, defaults={"name": user.email[:64]}
        )
    address = device.config_url
    code = segno.make(address, micro=False)
    # Attributes only: the pages' policy lets no style in.
    picture = code.svg_inline(scale=5, border=2, dark="#000", light="#fff", omitsize=True)
    secret = address.partition("secret=")[2].partition("&")[0]
    return Enrolment(device, secret, mark_safe(picture))  # noqa: S308 - made of our own secret


def confirm_enrolment(*, user: User, token: str, now: dt.datetime) -> tuple[TOTPDevice, list[str]]:
    """Take the app's first code; the device, and recovery codes to be shown once.

    An app of before goes, and every other session of the person has to sign in again.
    """
    with transaction.atomic():
        device = TOTPDevice.objects.select_for_update().filter(user=user, confirmed=False).first()
        if device is None:
            raise Conflict(_("Begin again: there is nothing to confirm."))
        is_right = device.verify_token(_digits(token))
        if is_right:
            TOTPDevice.objects.filter(user=user, confirmed=True).delete()
            device.confirmed = True
            device.save()
            codes = _new_codes(user)
            account_news.tell(user, account_news.APP_ADDED, now=now)
    if not is_right:  # outside, so that the failed try is counted
        raise WrongCode(_("That is not the code of this moment."), field="token")
    return device, codes


def new_recovery_codes(*, user: User, now: dt.datetime) -> list[str]:
    """In place of all earlier ones."""
    with transaction.atomic():
        account_news.tell(user, account_news.CODES_RENEWED, now=now)
        return _new_codes(user)


def first_recovery_codes(*, user: User) -> list[str]:
    """For who has none yet; those that somebody has kept stay good."""
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=user.pk)
        has_some = StaticDevice.objects.filter(user=user).exists()
        return [] if has_some else _new_codes(user)


def remaining_codes(user: User) -> int:
    return StaticToken.objects.filter(device__user=user).count()


def verify(*, user: User, token: str) -> Device:
    """The device that takes the code: the app's six digits, or a recovery code, which is used up.

    Raises `WrongCode`. After each failure the device takes no code for twice as long (django-otp).
    """
    digits = _digits(token)
    model = TOTPDevice if digits.isdecimal() and len(digits) == 6 else StaticDevice
    given = digits if model is TOTPDevice else _stored(token)
    for device in model.objects.filter(user=user, confirmed=True):
        allowed, _why = device.verify_is_allowed()
        if not allowed:
            raise WrongCode(
                _("Too many wrong codes: wait a moment, then try again."), field="token"
            )
        found = verify_token(user, device.persistent_id, given)
        if found is not None:
            return found
    log.warning("a wrong second factor was given", extra={"user_id": user.pk})
    raise WrongCode(_("That code is wrong, has been used, or is too old."), field="token")


def remove_app(*, user: User, now: dt.datetime) -> Passkey | None:
    """Take the app away; a passkey that is left. Raises `LastOne` for staff who need one."""
    _remove(user, TOTPDevice.objects.filter(user=user), account_news.APP_REMOVED, now)
    return Passkey.objects.filter(user=user).first()


def remove_passkey(
    *, user: User, passkey: Passkey, now: dt.datetime
) -> Passkey | TOTPDevice | None:
    """Take one passkey away; a factor that is left. Raises `LastOne` as `remove_app` does."""
    gone = Passkey.objects.filter(user=user, pk=passkey.pk)
    _remove(user, gone, account_news.PASSKEY_REMOVED, now, named=passkey.name)
    left = TOTPDevice.objects.filter(user=user, confirmed=True).first()
    return left or Passkey.objects.filter(user=user).first()


def _remove(
    user: User, devices: QuerySet[Any], what: str, now: dt.datetime, named: str = ""
) -> None:
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=user.pk)
        if devices.delete()[0]:
            account_news.tell(user, what, now=now, named=named)
        if is_enrolled(user):
            return
        if is_needed(user):
            raise LastOne(_("Staff need a second factor: set up another one first."))
        StaticDevice.objects.filter(user=user).delete()


def reset(*, user: User, by: User | None, now: dt.datetime) -> None:
    """Somebody lost their factors and codes: staff, or a command (`by` nobody), lets them enrol
    again. They are signed out.
    """
    if by is not None and user.pk == by.pk:
        raise NotYours("Somebody else has to reset your second factor.")
    with transaction.atomic():
        for model in (TOTPDevice, StaticDevice, Passkey):
            model.objects.filter(user=user).delete()
        Session.objects.filter(user=user).delete()
        account_news.tell(user, account_news.FACTOR_RESET, now=now)


def end_other_sessions(*, user: User, kept: str | None) -> int:
    """End every session of a person but the one with the key `kept`; how many."""
    count, _ = Session.objects.filter(user=user).exclude(session_key=kept).delete()
    return count


def sessions_of(user: User, *, now: dt.datetime) -> list[Session]:
    live = Session.objects.filter(user=user, expire_date__gt=now)
    return list(live.order_by("-signed_in_at"))


def public_id(session_key: str) -> str:
    """What names a session on a page: its key would let in whoever reads it there."""
    return hashlib.sha256(session_key.encode()).hexdigest()[:24]


def _new_codes(user: User) -> list[str]:
    StaticDevice.objects.filter(user=user).delete()
    device = StaticDevice.objects.create(user=user, name=user.email[:64])
    codes = ["".join(secrets.choice(_LETTERS) for _ in range(12)) for _ in range(RECOVERY_CODES)]
    for code in codes:
        device.token_set.create(token=_stored(code))
    return ["-".join((code[:4], code[4:8], code[8:])) for code in codes]


def _stored(code: str) -> str:
    """Sixteen letters of a digest, which is what the column holds: 60 random bits need no more."""
    plain = "".join(code.lower().split()).replace("-", "")
    return hashlib.sha256(f"recovery:{plain}".encode()).hexdigest()[:16]


def _digits(token: str) -> str:
    return "".join(token.split())
