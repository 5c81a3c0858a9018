"""Texts escaped for HTML, for what makes hundreds of them for a page.

As Django's `conditional_escape`, which takes as long to find out that a text is not a lazy one as
to escape it; names of attributes, classes and words are the same on each page.
"""

from functools import lru_cache
from html import escape
from typing import Any

from django.utils.functional import Promise
from django.utils.safestring import SafeString


def escaped(text: Any) -> SafeString:
    """What is HTML already stays as it is."""
    if isinstance(text, Promise):
        text = str(text)
    if hasattr(text, "__html__"):
        made: SafeString = text.__html__()
        return made
    return _escaped(str(text))


@lru_cache(maxsize=4096)
def _escaped(text: str) -> SafeString:
    return SafeString(escape(text))
