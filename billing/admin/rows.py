"""Rows of the admin's lists, with the cells that Unfold makes of them.

Unfold makes the heads of all columns anew for each row, and a template for each badge: three
quarters of a list's time. What is the same for a whole column is made once here, and each badge
once. Lists that are edited in place, or sorted by hand, are Unfold's own.
"""

import datetime as dt
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from typing import Any, NamedTuple

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.contrib.admin.utils import lookup_field
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import FieldDoesNotExist, ObjectDoesNotExist
from django.db import models
from django.urls import NoReverseMatch
from django.utils.html import conditional_escape, escape
from django.utils.safestring import SafeString, mark_safe
from unfold.admin import checkbox
from unfold.templatetags.unfold_list import (
    CHECKBOX_CLASSES,
    LINK_CLASSES,
    ROW_CLASSES,
    result_headers,
)
from unfold.utils import (
    display_for_dropdown,
    display_for_field,
    display_for_header,
    display_for_label,
    display_for_value,
)

_DAY_OR_LINK = (models.DateField, models.TimeField, models.ForeignKey)
_CHECKBOX = "action_checkbox"


class _ListColumn(NamedTuple):
    name: str
    field: "models.Field[Any, Any] | None"
    # Of what is no field, and is computed by the same function for each row.
    compute: Callable[[Any], Any] | None
    classes: str
    label: str
    is_link: bool


class RowList:
    """The rows of one page of a list, each as the cells of its `<tr>`."""

    def __init__(self, changes: ChangeList) -> None:
        self._changes, self._admin = changes, changes.model_admin
        self._empty = str(self._admin.get_empty_value_display())
        self.headers = list(result_headers(changes))
        self._columns = list(self._described())
        self._badges: dict[Any, str] = {}
        self._query: str | None = None

    @property
    def sorted_columns(self) -> int:
        return sum(bool(each["sortable"] and each["sorted"]) for each in self.headers)

    def __iter__(self) -> Iterator[SafeString]:
        for row in self._changes.result_list:
            yield mark_safe("".join(self._cells(row)))  # noqa: S308 - each is escaped

    def _described(self) -> Iterator[_ListColumn]:
        named = self._changes.list_display_links
        for place, name in enumerate(map(str, self._changes.list_display)):
            field = _field(self._changes.lookup_opts, name)
            classes = [f"field-{name}", *ROW_CLASSES]
            if name == _CHECKBOX:
                classes = list(CHECKBOX_CLASSES)
            if isinstance(field, _DAY_OR_LINK):
                classes.append("nowrap")
            yield _ListColumn(
                name,
                field,
                None if field else _computation(name, self._admin),
                escape(" ".join(classes)),
                conditional_escape(self.headers[place]["text"] if place else "Select record"),
                named is not None and name in named,
            )

    def _cells(self, row: models.Model) -> Iterator[str]:
        changes = self._changes
        # The first of all columns leads to its row where no others are named.
        is_first = changes.list_display_links is not None and not changes.list_display_links
        is_head = True
        for column, header in zip(self._columns, self.headers, strict=True):
            text, classes = self._shown(column, row)
            tag, cell, label = "td", str(conditional_escape(text)), column.label
            if is_first or column.is_link:
                tag = "th" if is_head else "td"
                is_first = is_head = False
                cell = self._linked(row, cell)
                label = conditional_escape(header["text"])
            yield f'<{tag} class="{classes}" data-label="{label}">{cell}</{tag}>'

    def _shown(self, column: _ListColumn, row: models.Model) -> tuple[Any, str]:
        field, empty = column.field, self._empty
        if column.name == _CHECKBOX:
            box = _checkbox().replace(_PLACE, escape(row.pk))
            return mark_safe(box), column.classes  # noqa: S308 - the key in it is escaped
        try:
            if field is not None:
                value = getattr(row, column.name)
            elif column.compute:
                attribute: Any = column.compute
                value = column.compute(row)
            else:
                _, attribute, value = lookup_field(column.name, row, self._admin)
        except ObjectDoesNotExist:
            return empty, column.classes
        if field is not None and not field.auto_created:
            if isinstance(field.remote_field, models.ManyToOneRel):
                return empty if value is None else value, column.classes
            if isinstance(field, models.BooleanField):
                shown = partial(display_for_field, value, field, empty)
                return self._once((column.name, value), shown), column.classes
            return display_for_field(value, field, empty), column.classes
        if field is not None:
            return display_for_value(value, empty, False), column.classes
        empty = getattr(attribute, "empty_value_display", empty)
        classes = column.classes
        if isinstance(value, dt.date | dt.time):
            classes = f"{classes} nowrap"
        if label := getattr(attribute, "label", False):
            shown = partial(display_for_label, value, empty, label)
            return self._once((column.name, value), shown), classes
        if getattr(attribute, "dropdown", False):
            return display_for_dropdown(row, column.name, value, empty), classes
        if getattr(attribute, "header", False):
            return display_for_header(value, empty), classes
        if getattr(attribute, "boolean", False):
            shown = partial(display_for_value, value, empty, True)
            return self._once((column.name, value), shown), classes
        return display_for_value(value, empty, False), classes

    def _once(self, key: Any, make: Callable[[], str]) -> str:
        try:
            if key not in self._badges:
                self._badges[key] = make()
        except TypeError:  # of lists, which have no hash
            return make()
        return self._badges[key]

    def _linked(self, row: models.Model, cell: str) -> str:
        changes = self._changes
        try:
            url = changes.url_for_result(row)
        except NoReverseMatch:
            return cell
        if self._query is None:
            kept: Any = {"preserved_filters": changes.preserved_filters, "opts": changes.opts}
            self._query = add_preserved_filters(kept, url).removeprefix(url)
        opener = ""
        if changes.is_popup:
            key = row.serializable_value(str(changes.to_field or changes.lookup_opts.pk.attname))
            opener = f' data-popup-opener="{escape(key)}"'
        address, classes = escape(url + self._query), " ".join(LINK_CLASSES)
        return f'<a href="{address}" class="{classes}" {opener}>{cell}</a>'


_PLACE = "00000000-row"


@lru_cache(maxsize=1)
def _checkbox() -> str:
    return checkbox.render(ACTION_CHECKBOX_NAME, _PLACE)


def _field(options: Any, name: str) -> "models.Field[Any, Any] | None":
    """Of the row's own table; None for anything else, such as the other side of a relation."""
    try:
        found = options.get_field(name)
    except FieldDoesNotExist:
        return None
    is_own = isinstance(found, models.Field) and not found.many_to_many
    # A relation's column is no relation.
    return found if is_own and not (found.is_relation and found.attname == name) else None


def _computation(name: str, admin: Any) -> Callable[[Any], Any] | None:
    """As `lookup_field` finds it; None for what each row has of its own."""
    return None if name == "__str__" else getattr(admin, name, None)
