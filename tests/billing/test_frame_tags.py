"""Tags that keep what is the same on each page (`billing.templatetags.frame`)."""

from typing import Any

import pytest
from django.template import Context, Engine, TemplateSyntaxError
from django.template.loader_tags import BlockNode

ENGINE = Engine(
    builtins=["billing.templatetags.frame"],
    loaders=[
        (
            "django.template.loaders.locmem.Loader",
            {
                "root": "{% block a %}A{% endblock %}"
                "{% if yes %}{% block b %}B{% endblock %}{% endif %}",
                "middle": '{% extends "root" %}{% block a %}<{{ block.super }}>{% endblock %}',
                "page": '{% extends "middle" %}{% block b %}page{% endblock %}',
            },
        )
    ],
)


def shown(source: str, **context: Any) -> str:
    return ENGINE.from_string(source).render(Context(context))


def test_what_is_kept_is_made_once_for_the_same_values() -> None:
    template = ENGINE.from_string("{% kept code %}{{ code }} {{ name }}{% endkept %}")

    assert template.render(Context({"code": "en", "name": "Ada"})) == "en Ada"
    assert template.render(Context({"code": "de", "name": "Bob"})) == "de Bob"
    assert template.render(Context({"code": "en", "name": "Cy"})) == "en Ada"


def test_what_is_kept_says_what_it_varies_with() -> None:
    with pytest.raises(TemplateSyntaxError, match="varies"):
        ENGINE.from_string("{% kept %}{% endkept %}")


def test_what_is_captured_has_a_name_and_adds_no_level_to_the_context() -> None:
    context = Context({"name": "Ada"})
    levels = len(context.dicts)
    text = ENGINE.from_string("{% captured hello %}Hi {{ name }}{% endcaptured %}[{{ hello }}]")

    assert text.render(context) == "[Hi Ada]"
    assert len(context.dicts) == levels


def test_blocks_are_found_in_all_templates_that_are_extended() -> None:
    page = ENGINE.get_template("page")

    assert page.render(Context({"yes": True})) == "<A>page"
    assert page.render(Context({"yes": False})) == "<A>"
    assert page.render(Context({"yes": True})) == "<A>page"


def test_a_template_that_is_included_by_its_name_is_looked_up_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = Engine(
        builtins=ENGINE.builtins[-1:],
        loaders=[("django.template.loaders.locmem.Loader", {"part": "{{ name }}{{ more }}"})],
    )
    page = engine.from_string('{% include "part" with more=1 %}{% include "part" only %}')
    assert page.render(Context({"name": "Ada"})) == "Ada1"

    monkeypatch.setattr(engine, "find_template", None)

    assert page.render(Context({"name": "Bob"})) == "Bob1"


def test_a_template_that_a_variable_names_is_looked_up_each_time() -> None:
    page = ENGINE.from_string("{% include name %}")

    assert page.render(Context({"name": "root", "yes": True})) == "AB"
    assert page.render(Context({"name": "middle", "yes": False})) == "<A>"


def test_a_template_is_searched_for_blocks_once(monkeypatch: pytest.MonkeyPatch) -> None:
    searched = []
    page = ENGINE.from_string("{% extends root %}{% block a %}mine{% endblock %}")
    root = ENGINE.get_template("root")
    asked = BlockNode.get_nodes_by_type
    monkeypatch.setattr(
        BlockNode,
        "get_nodes_by_type",
        lambda self, kind: searched.append(self.name) or asked(self, kind),
    )

    assert [page.render(Context({"root": root, "yes": True})) for _ in range(3)] == ["mineB"] * 3
    assert searched == ["a", "b"]
