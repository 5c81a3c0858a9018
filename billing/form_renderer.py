"""Inputs, selects and their options as Django's templates have them, made in Python.

`settings.FORM_RENDERER` names this module. A filter with forty agents to choose from is two
templates an option: 17 of the 70 ms that a list of calls took. `tests/billing/test_form_renderer`
holds each of these against the template that it stands for, octet by octet.
"""

from collections.abc import Callable, Mapping
from typing import Any

from django.forms.renderers import DjangoTemplates
from django.http import HttpRequest
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString, mark_safe

_WIDGETS = "django/forms/widgets/"


def _attributes(widget: Mapping[str, Any]) -> str:
    found = []
    for name, value in widget["attrs"].items():
        if value is True:
            found.append(f" {conditional_escape(name)}")
        elif value is not False:
            found.append(f' {conditional_escape(name)}="{_text(value)}"')
    return "".join(found)


def _text(value: Any) -> str:
    return conditional_escape(str(value))


def _input(widget: Mapping[str, Any]) -> str:
    value = "" if widget["value"] is None else f' value="{_text(widget["value"])}"'
    return (
        f'<input type="{conditional_escape(widget["type"])}"'
        f' name="{conditional_escape(widget["name"])}"{value}{_attributes(widget)}>'
    )


def _option(widget: Mapping[str, Any]) -> str:
    return (
        f'<option value="{_text(widget["value"])}"{_attributes(widget)}>'
        f"{conditional_escape(widget['label'])}</option>\n"
    )


def _select(widget: Mapping[str, Any]) -> str:
    parts = [f'<select name="{conditional_escape(widget["name"])}"{_attributes(widget)}>']
    for group, options, _ in widget["optgroups"]:
        if group:
            parts.append(f'\n  <optgroup label="{conditional_escape(group)}">')
        parts += (f"\n  {_option(option)}" for option in options)
        if group:
            parts.append("\n  </optgroup>")
    return "".join([*parts, "\n</select>"])


MADE: dict[str, Callable[[Mapping[str, Any]], str]] = {
    f"{_WIDGETS}select.html": _select,
    **dict.fromkeys(
        (f"{_WIDGETS}{name}.html" for name in ("text", "number", "date", "hidden")), _input
    ),
}


class FormRenderer(DjangoTemplates):
    def render(
        self, template_name: str, context: dict[str, Any], request: HttpRequest | None = None
    ) -> SafeString:
        make = MADE.get(template_name)
        if make is None:
            return mark_safe(super().render(template_name, context, request))  # noqa: S308
        return mark_safe(make(context["widget"]))  # noqa: S308 - each text in it is escaped
