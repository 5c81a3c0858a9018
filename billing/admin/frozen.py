"""Tables of a row's page that only show: no formset, and cells that are made in Python.

Django makes a form for each of their rows, with a field for each key, and Unfold a template for
each cell: half of what an invoice's page took.
"""

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

from django.contrib.admin.utils import flatten_fieldsets
from django.core.exceptions import FieldDoesNotExist, ObjectDoesNotExist
from django.core.paginator import Paginator
from django.db import models
from django.db.models import Model, QuerySet
from django.forms.models import _get_foreign_key
from django.http import HttpRequest
from django.template.defaultfilters import linebreaksbr
from django.utils.functional import cached_property
from django.utils.html import format_html, strip_tags
from django.utils.safestring import SafeString
from unfold.utils import display_for_field

from billing.admin.fields import ShownField, capital, readonly_value, shown_value
from billing.compiled import CompiledQuery
from billing.escaping import escaped

_HEAD = (
    "align-middle border-b border-base-200 dark:border-base-800 font-semibold px-1.5 first:pl-3"
    " last:pr-3 py-2 text-left text-font-important-light text-sm whitespace-nowrap"
    " dark:text-font-important-dark"
)
_CELL = (
    "min-h-[62.5px] align-middle border-b max-md:border-b border-base-200"
    " lg:group-[.last]/parent:border-b-0 dark:border-base-800 group field-tabular p-3 lg:py-3 flex"
    " items-center before:capitalize before:font-semibold before:content-[attr(data-label)]"
    " before:text-font-important-light dark:before:text-font-important-dark before:mr-auto"
    " before:font-text before:pr-4 lg:before:hidden font-normal px-3 lg:first:pl-3 lg:last:pr-3"
    " lg:px-1.5 text-left lg:table-cell"
)
_ROW = (
    '<tbody class="form-group relative group/parent original"><tr class="border-b border-base-200'
    " dark:border-base-800 bg-base-50 dark:bg-white/[.02] lg:bg-transparent lg:border-0"
    ' dark:lg:bg-transparent!"><td colspan="{}"></td></tr><tr class="form-row">{}</tr></tbody>'
)

# Of each kind of table: what is asked for a row's differs by its key alone.
_ROWS_OF: dict[type, CompiledQuery[Any]] = {}


_PLAIN = (models.CharField, models.DateField, models.DecimalField, models.IntegerField)


class FrozenTable:
    """In the place of a formset of the admin: what pages ask of one, and its `table`."""

    classes = ""
    is_collapsible = False
    error_count = 0

    def __init__(self, inline: Any, request: HttpRequest, row: Model) -> None:
        self.opts, self._request, self._of = inline, request, row
        key = _get_foreign_key(inline.parent_model, inline.model, fk_name=inline.fk_name)
        self._key = key.name
        prefix = key.remote_field.get_accessor_name(model=inline.model)
        self._page_parameter = f"{prefix}-page"
        self.formset = SimpleNamespace(
            prefix=prefix, errors=(), max_num=0, get_pagination_key=self._page_parameter
        )

    def __iter__(self) -> Iterator[Any]:
        """Of forms, it has none."""
        return iter(())

    @cached_property
    def rows(self) -> list[Model]:
        rows = self._all_rows()
        for row in rows:
            setattr(row, self._key, self._of)
        return rows

    def _all_rows(self) -> list[Model]:
        if not self.opts.has_view_or_change_permission(self._request):
            return []
        kind = type(self.opts)
        if per_page := getattr(self.opts, "per_page", None):
            return self._page(self._asked()(self._of.pk), per_page)
        if kind not in _ROWS_OF:
            _ROWS_OF[kind] = CompiledQuery(self._asked())
        return _ROWS_OF[kind](self._of.pk)

    def _page(self, rows: QuerySet[Any], per_page: int) -> list[Model]:
        pages = Paginator(rows, per_page)
        asked = self._request.GET.get(self._page_parameter, "")
        number = int(asked) if asked.isdecimal() and len(asked) < 9 else 1
        self.formset.page = page = pages.page(number if 0 < number <= pages.num_pages else 1)
        return list(page.object_list)

    def _asked(self) -> Callable[[Any], QuerySet[Any]]:
        """Of a key, the rows of this table; it is kept, and so must not keep the request."""
        rows, name = self.opts.get_queryset(self._request), self._key
        ordered = rows if rows.ordered else rows.order_by("pk")
        return lambda key: ordered.filter(**{name: key})

    @property
    def has_pages(self) -> bool:
        return bool(self.rows) and getattr(self.formset, "page", None) is not None

    @property
    def table(self) -> SafeString:
        """The head and rows of its `<table>`."""
        columns = self._columns()
        head = "".join(map(_heading, columns))
        rows = "".join(self._row(row, columns) for row in self.rows)
        return SafeString(
            f'<thead class="hidden relative lg:table-header-group"><tr>{head}</tr></thead>{rows}'
        )

    def _columns(self) -> list["_FrozenColumn"]:
        names = flatten_fieldsets(self.opts.get_fieldsets(self._request, self._of))
        meta = SimpleNamespace(labels=None, help_texts=None, model=self.opts.model)
        form: Any = SimpleNamespace(_meta=meta, fields={}, instance=None)
        return [
            _FrozenColumn(ShownField(form, name, is_first=place == 0, model_admin=self.opts))
            for place, name in enumerate(names)
        ]

    def _row(self, row: Model, columns: list["_FrozenColumn"]) -> str:
        return _ROW.format(len(columns), "".join([column.cell(row) for column in columns]))


class _FrozenColumn:
    """What is the same for all cells of a column is worked out once."""

    def __init__(self, shown: ShownField) -> None:
        self.named = shown.field
        self._shown = shown
        name, label = (escaped(self.named[part]) for part in ("name", "label"))
        self._start = (
            f'<td class="{_CELL} field-{name}" data-label="{label}">'
            '<div class="flex flex-row gap-3 items-center">'
        )
        self._contents = self._computed() or self._of_field()

    def cell(self, row: Model) -> str:
        return f"{self._start}{self._value(row)}</div></td>"

    def _value(self, row: Model) -> str:
        if self._contents:
            try:
                return shown_value(self._contents(row))
            except (AttributeError, ValueError, ObjectDoesNotExist):
                pass  # such cells are empty, as Django has it: shown below
        self._shown.show(row)
        return readonly_value(self._shown)

    def _computed(self) -> Callable[[Model], Any] | None:
        """By a method of the table's own."""
        name, admin = self.named["field"], self._shown.model_admin
        method = getattr(admin, name, None) if isinstance(name, str) else None
        if not callable(method) or self._field() or getattr(method, "boolean", False):
            return None

        def contents(row: Model) -> Any:
            value = method(row)
            return value if hasattr(value, "__html__") else linebreaksbr(value)

        return contents

    def _of_field(self) -> Callable[[Model], Any] | None:
        """Of a text, a number or a day; what leads elsewhere, or is laid out, is Unfold's."""
        name, field, empty = self.named["field"], self._field(), self._shown.empty_value_display
        if not isinstance(field, _PLAIN) or isinstance(field, models.URLField):
            return None
        return lambda row: display_for_field(getattr(row, name), field, empty)

    def _field(self) -> Any:
        try:
            return self._shown.model_admin.model._meta.get_field(self.named["field"])
        except FieldDoesNotExist:
            return None


def _heading(column: _FrozenColumn) -> str:
    named, explained = column.named, ""
    if named["help_text"]:
        explained = format_html(
            '<span class="cursor-help material-symbols-outlined ml-2 text-icon" title="{}">help'
            "</span>",
            strip_tags(str(named["help_text"])),
        )
    return (
        f'<th class="column-{escaped(named["name"])} {_HEAD}">'
        '<span class="flex flex-row items-center">'
        f"<span>{escaped(capital(named['label']))}</span>{explained}</span></th>"
    )
