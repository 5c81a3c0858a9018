"""The catalogues: every text is there, translated, with its placeholders, and compiled."""

import re
from pathlib import Path

import pytest
from django.conf import settings

from billing.colours import contrast, readable_on_white
from billing.languages import Language
from billing.words import WORDS
from dev.catalogues import LANGUAGES, faults, messages
from usage.resources import LABELS


@pytest.fixture(scope="module")
def texts():
    return messages()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_translated_with_its_placeholders(language, texts):
    assert list(faults(language, texts)) == []


def test_there_is_a_catalogue_for_each_language_that_can_be_chosen():
    assert {"en", *LANGUAGES} == set(Language.values)
    assert Language.choices == settings.LANGUAGES


def test_built_in_types_and_their_units_are_in_every_language():
    assert {*LABELS.values(), *settings.RESOURCE_UNITS.values()} <= set(WORDS)


# Names, files and the framework's own words.
_STAYS = re.compile(r"^(PDF|XML|CSV|JSON|API|UTC|[^A-Za-z]*)$")


def test_no_page_has_a_text_that_is_not_marked():
    """Words between tags of an owner's page are all of a translation or of a variable."""
    bare = []
    for path in Path("templates").rglob("*.html"):
        if {"admin", "emails", "unfold"} & set(path.parts) or path.name in (
            "500.html", "503.html", "failure.html", "api_docs.html",
        ):  # fmt: skip
            continue
        text = re.sub(r"{%\s*comment.*?endcomment\s*%}|{#.*?#}", "", path.read_text(), flags=re.S)
        text = re.sub(r"{%\s*blocktranslate.*?endblocktranslate\s*%}", "", text, flags=re.S)
        text = re.sub(r"{% block width %}.*?{% endblock %}", "", text)
        text = re.sub(r"{%.*?%}|{{.*?}}", "", text, flags=re.S)
        text = re.sub(r"<(script|style)\b.*?</\1>", "", text, flags=re.S)
        for run in re.sub(r"<[^>]*>", "\n", text).splitlines():
            if not _STAYS.match(run.strip()):
                bare.append(f"{path}: {run.strip()}")
    assert bare == []


def test_contrast_is_that_of_wcag():
    assert round(contrast("#000000", "#ffffff"), 2) == 21
    assert round(contrast("#767676", "#ffffff"), 2) == 4.54


def test_a_colour_that_cannot_be_read_on_white_is_refused():
    readable_on_white("#2f55d4")
    with pytest.raises(Exception, match="Too light: its contrast with white is 1"):
        readable_on_white("#ffee00")
