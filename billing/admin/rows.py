"""Rows of the admin's lists, with the cells that Unfold makes of them.

Unfold makes the heads of all columns anew for each row, and a template for each badge: three
quarters of a list's time. What is the same for a whole column is made once here, and each badge
once. Lists that are edited in place, or sorted by hand, are Unfold's own.
"""

import datetime as dt
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from types import SimpleNamespace
from typing import Any, NamedTuple

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.contrib.admin.utils import lookup_field
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import FieldDoesNotExist, ObjectDoesNotExist
from django.db import models
from django.template.loader import render_to_string
from django.urls import NoReverseMatch
from django.utils.html import escape
from django.utils.safestring import SafeString
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

from billing.admin.kept import heads_key, kept
from billing.escaping import escaped

_DAY_OR_LINK = (models.DateField, models.TimeField, models.ForeignKey)
_CHECKBOX = "action_checkbox"
# What a cell shows for a row, and the classes that it has beside its column's.
_Show = Callable[[models.Model], tuple[Any, str]]


class _ListColumn(NamedTuple):
    show: _Show
    classes: str
    label: str
    head_label: str
    is_link: bool


class RowList:
    """The rows of one page of a list, each as the cells of its `<tr>`."""

    def __init__(self, changes: ChangeList) -> None:
        self._changes, self._admin = changes, changes.model_admin
        self._empty = str(self._admin.get_empty_value_display())
        self._heads_key = heads_key(changes)
        self.headers = kept(self._heads_key, lambda: list(result_headers(changes)))
        self._made: dict[Any, Any] = {}
        self._columns = list(self._described())

    @property
    def head(self) -> str:
        """The `<thead>`."""
        return kept((*self._heads_key, "made"), self._made_head)

    def _made_head(self) -> str:
        sorted_by = sum(bool(each["sortable"] and each["sorted"]) for each in self.headers)
        shown = {
            "cl": self._changes,
            "result_headers": self.headers,
            "num_sorted_fields": sorted_by,
        }
        return render_to_string("unfold/helpers/change_list_headers.html", shown)

    def __iter__(self) -> Iterator[SafeString]:
        for row in self._changes.result_list:
            yield SafeString("".join(self._cells(row)))

    def _described(self) -> Iterator[_ListColumn]:
        named = self._changes.list_display_links
        for place, name in enumerate(map(str, self._changes.list_display)):
            field = _field(self._changes.lookup_opts, name)
            classes = [f"field-{name}", *ROW_CLASSES]
            if name == _CHECKBOX:
                classes = list(CHECKBOX_CLASSES)
            if isinstance(field, _DAY_OR_LINK):
                classes.append("nowrap")
            head_label = escaped(self.headers[place]["text"])
            yield _ListColumn(
                self._of_field(name, field) if field else self._of_method(name),
                escape(" ".join(classes)),
                head_label if place else "Select record",
                head_label,
                named is not None and name in named,
            )

    def _cells(self, row: models.Model) -> Iterator[str]:
        changes = self._changes
        # The first of all columns leads to its row where no others are named.
        is_first = changes.list_display_links is not None and not changes.list_display_links
        is_head = True
        for show, classes, label, head_label, is_link in self._columns:
            text, more = show(row)
            tag, told = "td", label
            cell: str = escaped(text)
            if is_first or is_link:
                tag = "th" if is_head else "td"
                is_first = is_head = False
                cell, told = self._linked(row, cell), head_label
            yield f'<{tag} class="{classes}{more}" data-label="{told}">{cell}</{tag}>'

    def _of_field(self, name: str, field: "models.Field[Any, Any]") -> _Show:
        empty, is_link = self._empty, isinstance(field.remote_field, models.ManyToOneRel)

        def shown(row: models.Model) -> tuple[Any, str]:
            try:
                value = getattr(row, name)
            except ObjectDoesNotExist:
                return empty, ""
            if field.auto_created:
                return display_for_value(value, empty, False), ""
            if is_link:
                return empty if value is None else value, ""
            return self._once((name, value), partial(display_for_field, value, field, empty)), ""

        return shown

    def _of_method(self, name: str) -> _Show:
        """As `lookup_field` finds it."""
        if name == _CHECKBOX:
            before, after = _checkbox().split(_PLACE)
            return lambda row: (SafeString(f"{before}{escape(row.pk)}{after}"), "")
        method = None if name == "__str__" else getattr(self._admin, name, None)
        if method is None:  # what each row has of its own
            return partial(self._looked_up, name)
        display = self._display(name, method)

        def shown(row: models.Model) -> tuple[Any, str]:
            try:
                return display(method(row), row)
            except ObjectDoesNotExist:
                return self._empty, ""

        return shown

    def _looked_up(self, name: str, row: models.Model) -> tuple[Any, str]:
        try:
            _, attribute, value = lookup_field(name, row, self._admin)
        except ObjectDoesNotExist:
            return self._empty, ""
        return self._display(name, attribute)(value, row)

    def _display(self, name: str, attribute: Any) -> Callable[[Any, Any], tuple[Any, str]]:
        """Of what is no field, as its decorator says that it is shown."""
        empty = getattr(attribute, "empty_value_display", self._empty)
        label, is_dropdown, is_header, is_boolean = (
            getattr(attribute, each, False) for each in ("label", "dropdown", "header", "boolean")
        )
        is_plain = not (label or is_dropdown or is_header or is_boolean)

        def shown(value: Any, row: Any) -> tuple[Any, str]:
            if is_plain and isinstance(value, SafeString):
                return value, ""
            more = " nowrap" if isinstance(value, dt.date | dt.time) else ""
            if label:
                badge = partial(display_for_label, value, empty, label)
                if isinstance(value, str) and isinstance(label, dict) and value in label:
                    made = kept(("badge", value, label[value]), badge)
                else:
                    made = self._once((name, value), badge)
            elif is_dropdown:
                made = display_for_dropdown(row, name, value, empty)
            elif is_header:
                made = display_for_header(value, empty)
            elif is_boolean:
                made = self._once((name, value), partial(display_for_value, value, empty, True))
            else:
                made = display_for_value(value, empty, False)
            return made, more

        return shown

    def _once(self, key: Any, make: Callable[[], Any]) -> Any:
        try:
            if key not in self._made:
                self._made[key] = make()
        except TypeError:  # of lists, which have no hash
            return make()
        return self._made[key]

    def _linked(self, row: models.Model, cell: str) -> str:
        changes = self._changes
        try:
            address = self._address(row)
        except NoReverseMatch:
            return cell
        opener = ""
        if changes.is_popup:
            key = row.serializable_value(str(changes.to_field or changes.lookup_opts.pk.attname))
            opener = f' data-popup-opener="{escape(key)}"'
        return f'<a href="{escape(address)}" class="{_LINK}" {opener}>{cell}</a>'

    def _address(self, row: Any) -> str:
        changes: Any = self._changes
        key = str(getattr(row, changes.pk_attname))
        # A key that stands in an address as it is, in a list that leads to its own rows.
        if (
            type(changes).url_for_result is ChangeList.url_for_result
            and key.isascii()
            and key.replace("-", "").isalnum()
        ):
            before, after = self._once("address", self._around_keys)
            return f"{before}{key}{after}"
        address: str = changes.url_for_result(row)
        return address + self._once("query", partial(self._kept_query, address))

    def _around_keys(self) -> tuple[str, str]:
        changes: Any = self._changes
        address = changes.url_for_result(SimpleNamespace(**{changes.pk_attname: _PLACE}))
        before, after = address.split(_PLACE)
        return before, after + self._kept_query(address)

    def _kept_query(self, address: str) -> str:
        """The filters of this list, with which a row's page leads back to it."""
        changes = self._changes
        kept: Any = {"preserved_filters": changes.preserved_filters, "opts": changes.opts}
        return str(add_preserved_filters(kept, address).removeprefix(address))


_LINK = " ".join(LINK_CLASSES)


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
