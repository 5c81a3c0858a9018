"""The second factor: an app's code at sign-in (django-otp), and recovery codes for a lost phone."""

import datetime as dt
import hashlib
import logging
import secrets
from typing import NamedTuple

import segno
from django.db import transaction
from django.utils.safestring import SafeString, mark_safe
from django_otp import verify_token
from django_otp.models import Device
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from billing.errors import BillingError, Conflict
from billing.models import Session, User

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


def is_enrolled(user: User) -> bool:
    return TOTPDevice.objects.filter(user=user, confirmed=True).exists()


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


def confirm_enrolment(*, user: User, token: str) -> tuple[TOTPDevice, list[str]]:
    """Take the app's first code; the device, and recovery codes to be shown once.

    An app of before goes, and every other session of the person has to sign in again.
    """
    with transaction.atomic():
        device = TOTPDevice.objects.select_for_update().filter(user=user, confirmed=False).first()
        if device is None:
            raise Conflict("Begin again: there is nothing to confirm.")
        is_right = device.verify_token(_digits(token))
        if is_right:
            TOTPDevice.objects.filter(user=user, confirmed=True).delete()
            device.confirmed = True
            device.save()
            codes = _new_codes(user)
    if not is_right:  # outside, so that the failed try is counted
        raise WrongCode("That is not the code of this moment.", field="token")
    return device, codes


def new_recovery_codes(*, user: User) -> list[str]:
    """In place of all earlier ones."""
    with transaction.atomic():
        return _new_codes(user)


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
        allowed, _ = device.verify_is_allowed()
        if not allowed:
            raise WrongCode("Too many wrong codes: wait a moment, then try again.", field="token")
        found = verify_token(user, device.persistent_id, given)
        if found is not None:
            return found
    log.warning("a wrong second factor was given", extra={"user_id": user.pk})
    raise WrongCode("That code is wrong, has been used, or is too old.", field="token")


def remove(*, user: User) -> None:
    """Take the second factor of a person away, with all recovery codes."""
    with transaction.atomic():
        TOTPDevice.objects.filter(user=user).delete()
        StaticDevice.objects.filter(user=user).delete()


def reset(*, user: User, by: User | None) -> None:
    """Somebody lost phone and codes: staff, or a command (`by` nobody), lets them enrol again.

    They are signed out.
    """
    if by is not None and user.pk == by.pk:
        raise NotYours("Somebody else has to reset your second factor.")
    with transaction.atomic():
        remove(user=user)
        Session.objects.filter(user=user).delete()


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
