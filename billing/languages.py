"""Languages that customers are written to in, and which one holds for whom.

With what a person may have otherwise than their language: how numbers are written, whose clock.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import models
from django.utils import translation
from django.utils.translation import get_language


class Language(models.TextChoices):
    """Each in its own words, as whoever looks for it reads it."""

    ENGLISH = "en", "English"
    GERMAN = "de", "Deutsch"
    FRENCH = "fr", "Français"
    SPANISH = "es", "Español"
    JAPANESE = "ja", "日本語"


# As `values` would make it anew for each amount on a page.
_CODES = frozenset(Language.values)


class NumberFormat(models.TextChoices):
    """How numbers are written, named by a language that writes them so."""

    ENGLISH = "en", "1,234.56"
    GERMAN = "de", "1.234,56"
    FRENCH = "fr", "1\N{NARROW NO-BREAK SPACE}234,56"


# What `in_language` has set: asking Django takes ten times as long, which pages do for each amount.
_language: ContextVar[str | None] = ContextVar("language", default=None)


def active_language() -> str:
    """The language in force here; the installation's where none was chosen."""
    return _language.get() or known_language(get_language() or "")


def known_language(tag: str) -> str:
    """The language of ours that a tag names, as de of de-AT; else the installation's."""
    if tag in _CODES:
        return tag
    code = tag.partition("-")[0].lower()
    return code if code in _CODES else settings.LANGUAGE_CODE


@dataclass(frozen=True)
class Habits:
    """How one reader has it; "" for as the language, and the page, have it."""

    number_format: str = ""
    time_zone: str = ""

    @property
    def zone(self) -> ZoneInfo | None:
        return ZoneInfo(self.time_zone) if self.time_zone else None


_NONE = Habits()
_habits: ContextVar[Habits] = ContextVar("habits", default=_NONE)


def habits() -> Habits:
    """Of whom the page is for; of a paper or a mail, nobody's."""
    return _habits.get()


@contextmanager
def in_language(code: str, having: Habits = _NONE) -> Iterator[None]:
    """Within it, texts, numbers and dates are those of a language.

    A paper or mail made for a page in here is in its own language, without the reader's habits.
    """
    language = known_language(code)
    habits_before, language_before = _habits.set(having), _language.set(language)
    try:
        with translation.override(language):
            yield
    finally:
        _habits.reset(habits_before)
        _language.reset(language_before)
