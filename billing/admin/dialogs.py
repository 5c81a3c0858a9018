"""Dialogs of the admin: what each begins with, and the fields and questions that several share."""

from typing import Any
from uuid import uuid4

from django import forms
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from billing.services.sheets import MAX_BYTES


class DialogForm(BaseDialogForm):
    """It opens over a page with a form of its own: with the same ids in both, a label of the dialog
    would lead to a field behind it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("auto_id", "dialog_%s")
        super().__init__(*args, **kwargs)


class DayWidget(UnfoldAdminTextInputWidget):
    """The browser's own choice of a day, which needs no script in a dialog."""

    input_type = "date"


class MonthWidget(UnfoldAdminTextInputWidget):
    """The browser's own choice of a month; where it has none, 2026-11 is typed."""

    input_type = "month"


class SheetWidget(UnfoldAdminTextareaWidget):
    """A field for lines, and a file that they can be read from (static/js/admin.js)."""

    def render(
        self,
        name: str,
        value: Any,
        attrs: dict[str, Any] | None = None,
        renderer: Any = None,
    ) -> SafeString:
        return format_html(
            '<input type="file" accept=".csv,.tsv,.txt,text/csv" class="mb-2 block w-full text-sm"'
            ' data-fills="{}" aria-label="Choose a CSV file">{}',
            name,
            super().render(name, value, attrs, renderer),
        )


class SheetForm(DialogForm):
    """A dialog that takes the lines of a CSV file."""

    lines = forms.CharField(
        label="A CSV file, or cells copied from a spreadsheet, with the header",
        max_length=MAX_BYTES,
        widget=SheetWidget(attrs={"rows": 10}),
    )


class OnceForm(DialogForm):
    """A dialog whose submission, however often it is clicked, counts once: by its `key`."""

    key = forms.CharField(
        widget=forms.HiddenInput, max_length=64, initial=lambda: uuid4().hex, required=False
    )


class ConfirmForm(DialogForm):
    """A dialog with nothing to fill in."""


def confirm(title: str, description: str, submit: str) -> dict[str, Any]:
    """A dialog that asks before an action is carried out (by POST)."""
    return {
        "title": title,
        "description": description,
        "form_class": ConfirmForm,
        "form_submit_text": submit,
    }
