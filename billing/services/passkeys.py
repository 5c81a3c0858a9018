"""Passkeys (WebAuthn): made on one's own device, and asked for after the password.

The device confirms who holds it, by a finger, a face or a PIN: without that no passkey is made or
taken (`user verification` is required). What it signs names our host, the page's origin and a
challenge that is good once, in one session, for five minutes.
"""

import datetime as dt
import hashlib
import ipaddress
import json
import logging
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import (
    base64url_to_bytes,
    options_to_json_dict,
    parse_authentication_credential_json,
    parse_registration_credential_json,
)
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from billing.errors import BillingError, Conflict
from billing.models import Passkey, User
from billing.services import account_news

log = logging.getLogger(__name__)
CHALLENGE_LASTS = dt.timedelta(minutes=5)
MAX_PASSKEYS = 10
MAX_ANSWER = 16_000
_LONGEST_ID = 1023
_TIMEOUT_MS = int(CHALLENGE_LASTS.total_seconds()) * 1000
# What the library raises on an answer that no browser has made, beside its own.
_UNREADABLE = (
    WebAuthnException,
    ValueError,
    KeyError,
    TypeError,
    IndexError,
    OverflowError,
    RecursionError,
)


class WrongPasskey(BillingError):
    code = "wrong_passkey"


class RelyingParty(NamedTuple):
    """Where passkeys are made and work: WebAuthn's relying party id, and its origin."""

    host: str
    origin: str


def site() -> RelyingParty | None:
    """Of `SITE_URL`. None where browsers have no passkeys: in clear, or at a number.

    This machine's own number is called `localhost`, where browsers make them in clear too.
    """
    address = urlsplit(settings.SITE_URL)
    host, port = address.hostname or "", f":{address.port}" if address.port else ""
    if _is_number(host):
        if not ipaddress.ip_address(host).is_loopback:
            return None
        host = "localhost"
    if address.scheme != "https" and host != "localhost":
        return None
    return RelyingParty(host, f"{address.scheme}://{host}{port}")


def to_make(*, user: User) -> dict[str, Any]:
    """What a page hands to `navigator.credentials.create`."""
    here = _site()
    options = generate_registration_options(
        rp_id=here.host,
        rp_name=settings.ISSUER_NAME,
        # The same for all of a person's, so that a device replaces its own.
        user_id=hashlib.sha256(f"passkeys of {user.pk}".encode()).digest(),
        user_name=user.email,
        user_display_name=user.get_full_name(),
        timeout=_TIMEOUT_MS,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.PREFERRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=_described(user, here),
    )
    return options_to_json_dict(options)


def to_ask(*, user: User) -> dict[str, Any] | None:
    """What a page hands to `navigator.credentials.get`; None for who has no passkey here."""
    here = site()
    known = _described(user, here) if here else []
    if not here or not known:
        return None
    options = generate_authentication_options(
        rp_id=here.host,
        timeout=_TIMEOUT_MS,
        allow_credentials=known,
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return options_to_json_dict(options)


def challenge_in(options: dict[str, Any], *, now: dt.datetime) -> dict[str, str]:
    """What a session keeps of a page's options."""
    return {"challenge": options["challenge"], "at": now.isoformat()}


def add(
    *, user: User, name: str, answer: str, kept: dict[str, str] | None, now: dt.datetime
) -> Passkey:
    """Keep the passkey that a browser has made for the challenge in `kept`.

    Raises `WrongPasskey`, and `Conflict` for a name or a device that is there.
    """
    here, challenge = _site(), _challenge(kept, now)
    try:
        given = parse_registration_credential_json(_read(answer))
        made = verify_registration_response(
            credential=given,
            expected_challenge=challenge,
            expected_rp_id=here.host,
            expected_origin=here.origin,
            require_user_verification=True,
        )
        if len(made.credential_id) > _LONGEST_ID:
            raise WebAuthnException("an id longer than WebAuthn's")
    except _UNREADABLE as reason:
        raise _wrong(user, reason) from reason
    with transaction.atomic():
        # So that two pages at once do not pass the most that one may have.
        User.objects.select_for_update(no_key=True).get(pk=user.pk)
        if Passkey.objects.filter(user=user).count() >= MAX_PASSKEYS:
            raise Conflict(
                _("There are {most} passkeys already: remove one first.").format(most=MAX_PASSKEYS)
            )
        try:
            with transaction.atomic():
                passkey = Passkey.objects.create(
                    user=user,
                    name=name,
                    credential_id=made.credential_id,
                    public_key=made.credential_public_key,
                    sign_count=made.sign_count,
                    transports=[way.value for way in given.response.transports or ()],
                    host=here.host,
                    created_at=now,
                )
        except IntegrityError as refusal:
            raise Conflict(
                _("A passkey of that name, or on that device, is there already."), field="name"
            ) from refusal
        account_news.tell(user, account_news.PASSKEY_ADDED, now=now, named=name)
        return passkey


def verify(*, user: User, answer: str, kept: dict[str, str] | None, now: dt.datetime) -> Passkey:
    """The passkey that has signed the challenge in `kept`. Raises `WrongPasskey`."""
    here, challenge = _site(), _challenge(kept, now)
    try:
        given = parse_authentication_credential_json(_read(answer))
        with transaction.atomic():
            # Of two answers at once, the second is compared with the first one's count.
            passkey = (
                Passkey.objects.select_for_update()
                .filter(user=user, credential_id=given.raw_id, host=here.host)
                .first()
            )
            if passkey is None:
                raise WebAuthnException("not a passkey of this person")
            used = verify_authentication_response(
                credential=given,
                expected_challenge=challenge,
                expected_rp_id=here.host,
                expected_origin=here.origin,
                credential_public_key=bytes(passkey.public_key),
                credential_current_sign_count=passkey.sign_count,
                require_user_verification=True,
            )
            passkey.sign_count, passkey.last_used_at = used.new_sign_count, now
            passkey.save(update_fields=["sign_count", "last_used_at"])
    except _UNREADABLE as reason:
        raise _wrong(user, reason) from reason
    return passkey


def rename(*, passkey: Passkey, name: str) -> None:
    passkey.name = name
    try:
        with transaction.atomic():
            passkey.save(update_fields=["name"])
    except IntegrityError as refusal:
        raise Conflict(_("You have another passkey of that name."), field="name") from refusal


def _site() -> RelyingParty:
    here = site()
    if here is None:
        raise Conflict(_("This system's address is one where browsers have no passkeys."))
    return here


def _challenge(kept: dict[str, str] | None, now: dt.datetime) -> bytes:
    if kept is None or abs(now - dt.datetime.fromisoformat(kept["at"])) > CHALLENGE_LASTS:
        raise WrongPasskey(_("This page was used or open for too long: try again."), field="answer")
    return base64url_to_bytes(kept["challenge"])


def _read(answer: str) -> dict[str, Any]:
    if len(answer) > MAX_ANSWER:
        raise ValueError("too long")
    read = json.loads(answer)
    if not isinstance(read, dict):
        raise TypeError("not an object")
    return read


def _described(user: User, here: RelyingParty) -> list[PublicKeyCredentialDescriptor]:
    known = {way.value for way in AuthenticatorTransport}
    return [
        PublicKeyCredentialDescriptor(
            id=bytes(passkey.credential_id),
            transports=[AuthenticatorTransport(way) for way in passkey.transports if way in known],
        )
        for passkey in Passkey.objects.filter(user=user, host=here.host).order_by("pk")
    ]


def _wrong(user: User, reason: Exception) -> WrongPasskey:
    log.warning("a passkey was refused: %s", str(reason)[:200], extra={"user_id": user.pk})
    return WrongPasskey(_("That passkey was not accepted: try again."), field="answer")


def _is_number(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
