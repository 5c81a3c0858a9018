"""Form fields made in Python are those of Django's templates, octet by octet."""

import datetime as dt
from typing import Any

import pytest
from django import forms
from django.forms.renderers import DjangoTemplates
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy

from billing.form_renderer import MADE, FormRenderer

_CHOICES = [
    ("", gettext_lazy("All agents")),
    ("a&b", "<Maria> & 'co' \"x\""),
    (7, mark_safe("<b>bold</b>")),
    ("Group <1>", [("x", "X"), ("y", "Y")]),
]
_ATTRIBUTES = {
    "id": "id_<x>",
    "required": True,
    "disabled": False,
    "data-n": 1234,
    "title": "a\"'&",
}


@pytest.mark.parametrize(
    ("widget", "value"),
    [
        (forms.Select(_ATTRIBUTES, choices=_CHOICES), "y"),
        (forms.Select(choices=_CHOICES), None),
        (forms.Select(choices=_CHOICES), 7),
        (forms.TextInput(_ATTRIBUTES), "<script>&\"'"),
        (forms.TextInput(), None),
        (forms.TextInput(), ""),
        (forms.NumberInput({"min": "0"}), 1234567),
        (forms.DateInput({"type": "date"}), dt.date(2026, 11, 2)),
        (forms.HiddenInput(), "1"),
        (forms.CheckboxInput(_ATTRIBUTES), True),
        (forms.EmailInput(_ATTRIBUTES), "a@b.test"),
    ],
)
def test_a_field_is_that_of_its_template(widget: forms.Widget, value: Any) -> None:
    assert widget.template_name in MADE
    made = widget.render("name", value, renderer=FormRenderer())
    assert made == widget.render("name", value, renderer=DjangoTemplates())
    assert hasattr(made, "__html__")


class Named(forms.Form):
    name = forms.CharField(label="<Name> & 'co'")


def test_labels_and_errors_are_those_of_their_templates() -> None:
    for given in ({"name": "x"}, {"name": ""}):
        ours, theirs = (
            Named(given, renderer=FormRenderer()),
            Named(given, renderer=DjangoTemplates()),
        )
        assert ours["name"].label_tag(attrs={"class": "a"}) == theirs["name"].label_tag(
            attrs={"class": "a"}
        )
        assert ours["name"].legend_tag() == theirs["name"].legend_tag()
        assert ours["name"].errors.as_ul() == theirs["name"].errors.as_ul()
