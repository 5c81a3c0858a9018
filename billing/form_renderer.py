"""Fields and labels of forms as the templates of Django and Unfold have them, made in Python.

`settings.FORM_RENDERER` names this module. A filter with forty agents to choose from is two
templates an option: 17 of the 70 ms that a list of calls took. `tests/billing/test_form_renderer`
holds each of Django's against the template that it stands for, octet by octet, and
`tests/admin/test_same_as_unfold` Unfold's, but for spaces between tags.
"""

from collections.abc import Callable, Mapping
from typing import Any

from django.forms.renderers import DjangoTemplates
from django.http import HttpRequest
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language

from billing.escaping import escaped

_WIDGETS = "django/forms/widgets/"


def _attributes(widget: Mapping[str, Any]) -> str:
    """Of a widget or label."""
    found = []
    for name, value in widget["attrs"].items():
        if value is True:
            found.append(f" {escaped(name)}")
        elif value is not False:
            found.append(f' {escaped(name)}="{_text(value)}"')
    return "".join(found)


def _text(value: Any) -> str:
    return escaped(str(value))


def _input(widget: Mapping[str, Any]) -> str:
    value = "" if widget["value"] is None else f' value="{_text(widget["value"])}"'
    return (
        f'<input type="{escaped(widget["type"])}"'
        f' name="{escaped(widget["name"])}"{value}{_attributes(widget)}>'
    )


def _option(widget: Mapping[str, Any]) -> str:
    return (
        f'<option value="{_text(widget["value"])}"{_attributes(widget)}>'
        f"{escaped(widget['label'])}</option>\n"
    )


def _select(widget: Mapping[str, Any]) -> str:
    parts = [f'<select name="{escaped(widget["name"])}"{_attributes(widget)}>']
    for group, options, _ in widget["optgroups"]:
        if group:
            parts.append(f'\n  <optgroup label="{escaped(group)}">')
        parts += (f"\n  {_option(option)}" for option in options)
        if group:
            parts.append("\n  </optgroup>")
    return "".join([*parts, "\n</select>"])


def _select_of_unfold(widget: Mapping[str, Any]) -> str | None:
    if any(
        option["template_name"] != _OPTION
        for _, options, _ in widget["optgroups"]
        for option in options
    ):
        return None
    return (
        f'<div class="grow relative max-w-2xl">\n{_select(widget)}\n'
        '<span class="material-symbols-outlined absolute group-[.primary]:text-white'
        " pointer-events-none mr-[12px] right-0 text-base-400 top-0 top-1/2 hover:text-base-700"
        ' dark:text-base-500 dark:hover:text-base-200 -translate-y-1/2">expand_more</span>\n</div>'
    )


def _text_of_unfold(widget: Mapping[str, Any]) -> str | None:
    if any(widget.get(name) for name in ("prefix", "prefix_icon", "suffix", "suffix_icon")):
        return None
    return f'<div class="max-w-2xl relative w-full">\n{_input(widget)}\n</div>'


def _day_of_unfold(widget: Mapping[str, Any]) -> str:
    start = '<div class="flex flex-col max-w-2xl min-w-56 relative w-full">'
    return f"{start}\n{_input(widget)}\n</div>"


def _label(context: Mapping[str, Any]) -> str:
    label, tag = escaped(context["label"]), context["tag"]
    return f"<{tag}{_attributes(context)}>{label}</{tag}>" if context["use_tag"] else label


def _errors(context: Mapping[str, Any]) -> str | None:
    return None if context["errors"] else ""


_OPTION = f"{_WIDGETS}select_option.html"
_WRAPPER = "unfold/widgets/related_widget_wrapper.html"
_PLACE = "<!-- the choice -->"
Make = Callable[[Mapping[str, Any]], str | None]
# What they give None for is left to its template.
MADE: dict[str, Make] = {
    f"{_WIDGETS}select.html": _select,
    **dict.fromkeys(
        (
            f"{_WIDGETS}{name}.html"
            for name in ("text", "number", "date", "time", "email", "url", "checkbox", "hidden")
        ),
        _input,
    ),
    "unfold/widgets/select.html": _select_of_unfold,
    "unfold/widgets/text.html": _text_of_unfold,
    "unfold/widgets/date.html": _day_of_unfold,
    "unfold/widgets/time.html": _day_of_unfold,
}
_PARTS: dict[str, Make] = {
    "django/forms/label.html": _label,
    "django/forms/errors/list/ul.html": _errors,
}


class FormRenderer(DjangoTemplates):
    def __init__(self) -> None:
        super().__init__()
        self._wrappers: dict[Any, str] = {}

    def _wrapped(self, context: dict[str, Any]) -> str:
        """A choice of a related row, between links to that row and to another one: the links are
        the same for a field whatever is chosen, and are kept."""
        of_field = {name: context[name] for name in context if name != "rendered_widget"}
        key = (get_language(), *((name, str(value)) for name, value in of_field.items()))
        if key not in self._wrappers:
            of_field["rendered_widget"] = mark_safe(_PLACE)  # noqa: S308 - ours
            self._wrappers[key] = super().render(_WRAPPER, of_field)
        return self._wrappers[key].replace(_PLACE, escaped(context["rendered_widget"]))

    def render(
        self, template_name: str, context: dict[str, Any], request: HttpRequest | None = None
    ) -> SafeString:
        made: str | None = None
        if make := MADE.get(template_name):
            made = make(context["widget"])
        elif make := _PARTS.get(template_name):
            made = make(context)
        elif template_name == _WRAPPER:
            made = self._wrapped(context)
        if made is None:
            made = super().render(template_name, context, request)
        return mark_safe(made)  # noqa: S308 - each text in it is escaped
