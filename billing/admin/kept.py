"""What of a list's page follows from its address alone, kept in the process as it was made.

Heads of columns and filters are a third of what a list's page takes, and the same for everybody who
asks for the same address in the same language.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from django.contrib.admin.filters import (
    BooleanFieldListFilter,
    ChoicesFieldListFilter,
    SimpleListFilter,
)
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest
from django.urls import get_script_prefix
from django.utils.translation import get_language
from unfold.contrib.filters.admin import (
    AutocompleteSelectFilter,
    FieldTextFilter,
    RangeDateFilter,
    RangeDateTimeFilter,
)

T = TypeVar("T")
# Of a process: some for each list and the ways in which people have it.
_MOST = 500
_kept: dict[Any, Any] = {}
# Filters that show nothing but what their class, their choices and the address say.
_PLAIN = (
    SimpleListFilter,
    BooleanFieldListFilter,
    ChoicesFieldListFilter,
    FieldTextFilter,
    RangeDateFilter,
    RangeDateTimeFilter,
)


def kept(key: Any, make: Callable[[], T]) -> T:
    """What was made for `key`, by whichever page asked first."""
    found: T | None = _kept.get(key)
    if found is None:
        if len(_kept) >= _MOST:
            _kept.clear()
        found = _kept[key] = make()
    return found


def heads_key(changes: ChangeList) -> Any:
    """What the heads of a list's columns follow from."""
    return (
        *("heads", changes.opts.label, get_language(), get_script_prefix()),
        *(changes.get_query_string(), tuple(map(str, changes.list_display))),
        *(tuple(changes.get_ordering_field_columns().items()), str(changes.sortable_by)),
    )


def filters_key(changes: ChangeList, request: HttpRequest) -> Any:
    """What a list's filters follow from; None where it is more, such as rows of the database."""
    choices = []
    for spec in changes.filter_specs:
        if isinstance(spec, AutocompleteSelectFilter):
            if spec.used_parameters:  # names a row
                return None
        elif not isinstance(spec, _PLAIN):
            return None
        choices.append((type(spec), str(getattr(spec, "lookup_choices", ""))))
    if changes.add_facets:
        return None
    return (
        *("filters", changes.opts.label, get_language(), get_script_prefix()),
        *(request.GET.urlencode(), tuple(choices)),
    )
