"""Languages that customers are written to in, and which one holds for whom."""

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


class NumberFormat(models.TextChoices):
    """How numbers are written, named by a language that writes them so."""

    ENGLISH = "en", "1,234.56"
    GERMAN = "de", "1.234,56"
    FRENCH = "fr", "1\N{NARROW NO-BREAK SPACE}234,56"


def active_language() -> str:
    """The language in force here; the installation's where none was chosen."""
    return known_language(get_language() or "")


def known_language(tag: str) -> str:
    """The language of ours that a tag names, as de of de-AT; else the installation's."""
    code = tag.partition("-")[0].lower()
    return code if code in Language.values else settings.LANGUAGE_CODE


def in_language(code: str) -> translation.override:
    """Within it, texts, numbers and dates are those of a language."""
    return translation.override(known_language(code))
