"""The characters that the fonts of invoices can print.

An archivable PDF must have a glyph for every character in it. What no font of ours has is printed
as its Unicode number, so that an invoice stays archivable whatever a name is written in.
"""

import re
import unicodedata
from functools import cache
from pathlib import Path

from fontTools.ttLib import TTFont

FONTS = Path(__file__).resolve().parent / "fonts"
_FIRST = "NotoSans-Regular.ttf"
_NUMBERED = re.compile(r"\[U\+[0-9A-F]{4,6}\]")
# Joiners shape their neighbours, selectors choose a form of what is before them: no ink of theirs.
_WITHOUT_INK = frozenset("\N{ZERO WIDTH JOINER}\N{ZERO WIDTH NON-JOINER}\ufe0e\ufe0f")


def printable(text: str) -> str:
    """`text` on one line, without invisible characters and with those lacking a glyph as numbers.

    "Acme 𓀀" is "Acme [U+13000]".
    """
    return "".join(_printed(character) for character in _one_line(text)).strip()


def has_numbers(text: str) -> bool:
    """Whether `printable` has written a character as its number in it."""
    return _NUMBERED.search(text) is not None


def _one_line(text: str) -> str:
    """Controls and separators become spaces; what only reorders or hides text is dropped."""
    kept = []
    for character in text:
        category = unicodedata.category(character)
        if category in ("Cc", "Zl", "Zp"):
            kept.append(" ")
        elif category not in ("Cf", "Cs") or character in _WITHOUT_INK:
            kept.append(character)
    return "".join(kept)


def _printed(character: str) -> str:
    return character if _has_glyph(character) else f"[U+{ord(character):04X}]"


@cache
def _has_glyph(character: str) -> bool:
    return character in _WITHOUT_INK or any(
        ord(character) in _characters_of(path) for path in _faces()
    )


@cache
def _faces() -> list[Path]:
    """The font of most texts, then from the smallest on: few texts need the large ones read."""
    return sorted(FONTS.glob("*.ttf"), key=lambda path: (path.name != _FIRST, path.stat().st_size))


@cache
def _characters_of(path: Path) -> frozenset[int]:
    with TTFont(path, lazy=True) as font:
        return frozenset(font.getBestCmap())
