"""Fields of the admin's forms, as Unfold shows them, without a template for each.

Unfold makes the fields of a form anew for each thing it asks of them (their classes, the errors of
a tab), and works out what is only shown each time: five times for a field in a tab. Here they are
made once for a page, and worked out when they are shown.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from django.contrib.admin.helpers import AdminReadonlyField
from django.db.models import JSONField, URLField
from django.forms.utils import flatatt
from django.template.defaultfilters import linebreaksbr
from django.template.loader import render_to_string
from django.utils.functional import cached_property
from django.utils.safestring import SafeString, mark_safe
from unfold.fields import UnfoldAdminField, UnfoldAdminReadonlyField
from unfold.forms import AdminForm, Fieldline, Fieldset
from unfold.utils import display_for_field
from unfold.widgets import CHECKBOX_LABEL_CLASSES, LABEL_CLASSES

from billing.escaping import escaped

_FILE = "unfold/helpers/field_readonly_value.html"
_REQUIRED = SafeString('<span class="text-red-600 dark:text-red-500">*</span>')
_READONLY_LABEL = flatatt({"class": " ".join([*LABEL_CLASSES, "mb-2"])})


class ShownField(UnfoldAdminReadonlyField):
    """A field that is only shown."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Past Unfold's, which works the value out at once.
        AdminReadonlyField.__init__(self, *args, **kwargs)

    @cached_property
    def resolved_field(self) -> Any:
        return self._resolve_field()

    def show(self, row: Any) -> None:
        """From now on, that of `row`."""
        self.form.instance = row
        self.__dict__.pop("resolved_field", None)

    def _get_contents(self) -> Any:
        if self.resolved_field:
            field, attribute, value = self.resolved_field
            if field is None and not getattr(attribute, "boolean", False):
                shown = value if hasattr(value, "__html__") else linebreaksbr(value)
                return escaped(shown)
            if self._is_plain(field):
                return escaped(display_for_field(value, field, self.empty_value_display))
        return super()._get_contents()

    def _is_plain(self, field: Any) -> bool:
        """Whether it is shown as its value, which is at hand."""
        is_linked = field is None or field.remote_field or self.field["field"] in self.form.fields
        return not is_linked and not isinstance(field, JSONField | URLField)


class _Line(Fieldline):
    @cached_property
    def _made(self) -> list[Any]:
        return [
            ShownField(self.form, name, is_first=place == 0, model_admin=self.model_admin)
            if name in self.readonly_fields
            else UnfoldAdminField(self.form, name, is_first=place == 0)
            for place, name in enumerate(self.fields)
        ]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._made)


class _Fieldset(Fieldset):
    @cached_property
    def _made(self) -> list[_Line]:
        return [
            _Line(self.form, field, self.readonly_fields, model_admin=self.model_admin)
            for field in self.fields
        ]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._made)


class FormOnce(AdminForm):
    """What Unfold's form is, with fieldsets, lines and fields made once."""

    @classmethod
    def of(cls, form: AdminForm) -> "FormOnce":
        made = cls.__new__(cls)
        made.__dict__.update(form.__dict__)
        return made

    @cached_property
    def _made(self) -> list[_Fieldset]:
        return [
            _Fieldset(
                self.form,
                name,
                readonly_fields=self.readonly_fields,
                model_admin=self.model_admin,
                **options,
            )
            for name, options in self.fieldsets
        ]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._made)


class EmptyFormOnce:
    """Of a formset: the form for a row that is not there yet, which Unfold asks for six times."""

    @cached_property
    def empty_form(self) -> Any:
        return super().empty_form  # type: ignore[misc]  # of the formset that it is mixed into


def rows(fieldset: Any) -> SafeString:
    """The lines of a fieldset."""
    lines = list(fieldset)
    made = [_row(line, is_last=place == len(lines)) for place, line in enumerate(lines, start=1)]
    return mark_safe("\n".join(made))  # noqa: S308 - each part is escaped


def _row(line: Any, *, is_last: bool) -> str:
    fields = list(line)
    classes = "form-row field-row group/row"
    if len(fields) > 1:
        classes += f" grid lg:grid-cols-{len(fields)}"
    if not line.has_visible_field:
        classes += " hidden"
    if is_last:
        classes += " last"
    return f'<div class="{classes}">{"".join(map(_cell, fields))}</div>'


def _cell(field: Any) -> str:
    if field.is_readonly:
        help_text, classes, errors = field.field["help_text"], "", ""
        label, is_checkbox = _readonly_label(field), field.is_checkbox
    else:
        bound, is_checkbox = field.field, field.is_checkbox
        help_text, classes, errors = bound.help_text, f" field-{bound.name}", ""
        label = _label(bound, is_checkbox=is_checkbox)
        if bound.errors:
            classes += " errors"
            errors = (
                f'<div class="mt-2 text-red-600 text-xs dark:text-red-500">{field.errors()}</div>'
            )
    start = f'<div class="field-line flex flex-col grow group group/line px-3 py-2.5{classes}">'
    explained = f'<div class="leading-relaxed mt-2 text-xs">{help_text}</div>' if help_text else ""
    if is_checkbox:
        if explained:
            explained = f'<div class="ml-2 -mt-1">{explained}</div>'
        return (
            f'{start}<div class="flex flex-row">{field.field}<div class="flex flex-col">{label}'
            f"{explained}{errors}</div></div></div>"
        )
    shown = readonly_value(field) if field.is_readonly else field.field
    return (
        f'{start}<div class="">{label}</div><div class="grow relative">{shown}{explained}{errors}'
        "</div></div>"
    )


def _readonly_label(field: Any) -> str:
    return f"<label{_READONLY_LABEL}>{escaped(capital(field.field['label']))}</label>"


def capital(text: Any) -> Any:
    text = str(text)
    return text[:1].upper() + text[1:]


def _label(bound: Any, *, is_checkbox: bool) -> str:
    return _made_label(
        str(escaped(bound.label)), bound.id_for_label, bound.field.required, is_checkbox
    )


# As `BoundField.label_tag` has it; the same each time that its form is shown.
@lru_cache(maxsize=1024)
def _made_label(text: str, of: str, is_required: bool, is_checkbox: bool) -> str:
    classes = [*(CHECKBOX_LABEL_CLASSES if is_checkbox else LABEL_CLASSES)]
    attributes = {"class": " ".join([*classes, "required"] if is_required else classes)}
    if of:
        attributes["for"] = of
    star = _REQUIRED if is_required and text[-1:] not in ":?.!" else ""
    return f"<label{flatatt(attributes)}>{text}{star}</label>"


def readonly_value(field: Any) -> str:
    if field.is_file:
        return render_to_string(_FILE, {"field": field})
    contents = field.contents()
    return shown_value(contents, "max-w-4xl" if field.is_json else "max-w-2xl")


def shown_value(contents: Any, width: str = "max-w-2xl") -> str:
    if not contents or contents == "None":
        contents = "-"
    return f'<div class="readonly break-words {width} *:rounded-default">{escaped(contents)}</div>'
