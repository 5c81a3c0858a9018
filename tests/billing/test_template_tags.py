"""Tags that take the place of Django's say what Django's do."""

from typing import Any

import pytest
from django.template import Context, Template
from django.templatetags import i18n
from django.urls import NoReverseMatch, reverse

from billing.languages import in_language
from billing.templatetags import addresses, translations
from tests.kit.personas import make_workspace


def said(template: str, **values: Any) -> str:
    return Template("{% load i18n static %}" + template).render(Context(values))


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize(
    "template",
    [
        "{% blocktranslate with label=name|upper %}Used in {{ label }}{% endblocktranslate %}",
        "{% blocktranslate %}All {{ membership_count }} workspaces{% endblocktranslate %}",
        "{% blocktranslate %}Of {{ nobody }}, 10% less{% endblocktranslate %}",
        "{% blocktranslate with a=name asvar said %}[{{ a }}]{% endblocktranslate %}{{ said }}",
        "{% blocktranslate count n=several %}a{% plural %}{{ n }} b{% endblocktranslate %}",
    ],
)
def test_texts_are_those_of_django(
    template: str, language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {"name": "<b> & co", "membership_count": 1234, "several": 3}
    with in_language(language):
        ours = [said(template, **values) for _ in range(2)]
        monkeypatch.setitem(translations.register.tags, "blocktranslate", i18n.do_block_translate)
        assert ours == [said(template, **values)] * 2
    assert "<b>" not in ours[0]


def test_a_text_is_said_in_the_language_of_each_reader() -> None:
    template = Template(
        "{% load i18n %}{% blocktranslate %}Used in {{ label }}{% endblocktranslate %}"
    )
    found = []
    for language in ("en", "de", "en"):
        with in_language(language):
            found.append(template.render(Context({"label": "Mai"})))
    assert found[0] == found[2] == "Used in Mai" != found[1]


@pytest.mark.django_db
def test_addresses_are_those_of_each_workspace() -> None:
    template = Template("{% url 'usage:calls' workspace %}")
    for workspace in (make_workspace("Acme"), make_workspace("Globex")) * 2:
        shown = template.render(Context({"workspace": workspace.pk}))
        assert shown == reverse("usage:calls", args=[workspace.pk])
    assert said("{% url 'no:such' as there %}[{{ there }}]") == "[]"
    with pytest.raises(NoReverseMatch):
        said("{% url 'no:such' %}")


def test_a_files_address_is_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses.StaticNode.handle_simple.__func__.cache_clear()  # type: ignore[attr-defined]
    first = said("{% static 'js/app.js' %}")
    assert said("{% static 'js/app.js' %}") == first
    assert addresses.StaticNode.handle_simple.__func__.cache_info().hits == 1  # type: ignore[attr-defined]
