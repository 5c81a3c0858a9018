"""What people type: names, provider names and e-mail addresses, made one way or refused.

A name is seen by others, on pages, in mails and on invoices. So it must hold nothing that does not
show, or that changes how the rest shows.
"""

import re
import unicodedata
from functools import lru_cache

from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator
from django.utils.translation import gettext_lazy as _

MAX_PROVIDER_LENGTH = 64
MAX_EMAIL_LENGTH = 254
# What a resource type is called, as in call_minutes.
RESOURCE_TYPE = re.compile(r"[a-z][a-z0-9_]{0,63}")

# Letters by their category that show nothing: fillers of Hangul and Braille, the grapheme joiner.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
_NON_JOINER, _JOINER = "\u200c", "\u200d"
# Where a joiner changes what shows: between letters of scripts that need it, and within emoji.
_JOINED = frozenset({"Lo", "Lm", "Mn", "Mc", "So", "Sk"})
_CONTROL = _("Control characters are not allowed.")
_LINES = _("Line separators are not allowed.")
# By category.
_REFUSED = {
    "Cc": _CONTROL,
    "Cs": _("Half of a surrogate pair is not allowed."),
    "Co": _("Characters for private use are not allowed."),
    "Zl": _LINES,
    "Zp": _LINES,
    "Cf": _("Invisible characters or marks of writing direction are not allowed."),
}


class UnfitText(ValueError):
    """Why a text is refused, as a sentence in the language of whoever reads it.

    Settings are read before there are any languages.
    """


def printable_line(text: str) -> str:
    """One line of text, trimmed, in composed form (NFC).

    Raises `UnfitText` for control, invisible and direction-changing characters and for line
    separators. Joiners pass where they do something: in Persian or Indic words, in emoji.
    """
    if text.isascii():
        if not text.isprintable():
            raise UnfitText(_CONTROL)
        return text.strip()
    for place, character in enumerate(text):
        category = unicodedata.category(character)
        if character in (_JOINER, _NON_JOINER) and _joins(text, place):
            continue
        if category in _REFUSED:
            raise UnfitText(_REFUSED[category])
        if (
            character in _BLANK
            or ord(character) & 0xFFFE == 0xFFFE
            or 0xFDD0 <= ord(character) <= 0xFDEF
        ):
            raise UnfitText(_("Invisible characters are not allowed."))
    return unicodedata.normalize("NFC", text.strip())


def _joins(text: str, place: int) -> bool:
    around = text[place - 1 : place] + text[place + 1 : place + 2]
    return len(around) == 2 and all(unicodedata.category(each) in _JOINED for each in around)


@lru_cache(maxsize=1024)
def provider_key(text: str) -> str:
    """A provider's one name, small letters: `Twilio` and ` twilio ` are `twilio`.

    Raises `UnfitText`; remembered, since the same few come again and again.
    """
    name = unicodedata.normalize("NFC", printable_line(text).lower())
    if not 1 <= len(name) <= MAX_PROVIDER_LENGTH:
        raise UnfitText(f"Must be 1 to {MAX_PROVIDER_LENGTH} printable characters.")
    return name


def recorded_name(text: str) -> str:
    """A provider or model as records name it; none stays none, and what is unfit stays as it is,
    for whoever checks it to refuse."""
    try:
        return provider_key(text) if text.strip() else ""
    except UnfitText:
        return text


_ascii_address = EmailValidator()
# Of RFC 6531: what RFC 5322 has for an unquoted local part, and everything beyond ASCII.
_LOCAL = re.compile(r"[^\s@\"(),:;<>\[\]\\\x00-\x1f\x7f]+")


def email_address(text: str) -> str:
    """An address as it is kept: trimmed, its domain in small letters and in its own script.

    Internationalised ones (RFC 6531) are addresses too. Raises `UnfitText`.
    """
    try:
        address = printable_line(text)
        local, _at, domain = address.rpartition("@")
        domain = _own_script(domain)
        if not local.isascii():
            if not _LOCAL.fullmatch(local) or local[0] == "." or local[-1] == "." or ".." in local:
                raise UnfitText("")
            _ascii_address(f"x@{domain}")
        else:
            _ascii_address(f"{local}@{domain}")
        if len(f"{local}@{domain}") > MAX_EMAIL_LENGTH or len(local.encode()) > 64:
            raise UnfitText("")
    except (ValidationError, UnicodeError, ValueError):
        raise UnfitText(_("This is not an e-mail address.")) from None
    return f"{local}@{domain}"


def same_address(text: str) -> str:
    """What two spellings of one person's address have in common: for look-ups and lockouts."""
    try:
        return email_address(text).lower()
    except UnfitText:
        return text.strip().lower()[:MAX_EMAIL_LENGTH]


def _own_script(domain: str) -> str:
    """`xn--mnchen-3ya.test` and `München.test` as `münchen.test`. Raises `UnicodeError`."""
    domain = unicodedata.normalize("NFKC", domain).lower()
    if "xn--" in domain:
        domain = domain.encode("ascii").decode("idna")
    if not domain.isascii():
        domain.encode("idna")  # it has a name in the DNS
    return domain


def validate_line(text: str) -> None:
    """For model fields, as `printable_line` sees it; forms trim by themselves."""
    try:
        printable_line(text)
    except UnfitText as error:
        raise ValidationError(error.args[0], code="invalid_text") from None


def validate_address(text: str) -> None:
    try:
        email_address(text)
    except UnfitText as error:
        raise ValidationError(error.args[0], code="invalid_email") from None
