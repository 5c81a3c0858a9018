"""What every list of the admin has beside its rows: files of what it shows, chips, sums.

A file has the rows that the present search and filters leave, in their order, all pages of them,
and the columns of the list. Amounts in it are exact numbers, with their currency in a column.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from functools import partial
from html import unescape
from itertools import chain, islice
from typing import Any, NamedTuple

from django.contrib import messages
from django.contrib.admin.utils import label_for_field, lookup_field
from django.contrib.admin.views.main import ORDER_VAR, PAGE_VAR, ChangeList
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Count, Field, QuerySet, Sum
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.utils.functional import cached_property
from django.utils.html import strip_tags
from django.utils.safestring import SafeString

from billing.admin.kept import kept
from billing.admin.rows import RowList
from billing.compiled import CompiledQuery
from billing.exports import SHEET_ROWS
from billing.formats import money
from billing.tables import Column, Kind, table_response

FILE_PARAMETER = "_file"
_FORMATS = ("csv", "xlsx")
# One sheet's, without its head; who needs more filters first.
_MAX_ROWS = SHEET_ROWS - 1
_CHUNK = 1_000
# Rows by which it is told what a column of the admin's own text holds.
_LOOKED_AT = 200


class Amount(SafeString):
    """Money as a page shows it, which knows its number."""

    number: Decimal
    currency: str

    def __new__(cls, text: str, number: Decimal, currency: str) -> "Amount":
        self = super().__new__(cls, text)
        self.number, self.currency = number, currency
        return self


class Chip(NamedTuple):
    title: str
    value: str
    without: str


class ListMixin:
    """Of a `ModelAdmin`. `list_sums` are labels and fields that are added up, by `sums_by`."""

    list_before_template = "admin/list_head.html"
    list_after_template = "admin/list_sums.html"
    list_sums: Sequence[tuple[str, str]] = ()
    sums_by = "currency"
    # Asked of each list by Unfold's templates, which look long for what is not there.
    list_sections: Sequence[Any] = ()
    ordering_field: str | None = None
    # What a page of the list reads of its rows and of those in `list_select_related`: by default
    # all. Files read all, and so do actions.
    list_only: Sequence[str] = ()
    # Whether all rows, in an order and on a page, are asked for in the same words by everybody and
    # at any time: these words are made once.
    list_is_one_for_all = False
    # Whether rows have one key, so that they can be read again by it, a thousand at a time.
    has_one_key = True

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        wanted = request.GET.get(FILE_PARAMETER)
        if wanted is None:
            return super().changelist_view(request, extra_context)  # type: ignore[misc]
        given = request.GET.copy()
        del given[FILE_PARAMETER]
        request.GET = given  # type: ignore[assignment]
        return self._file(request, wanted)

    def get_changelist_instance(self: Any, request: HttpRequest) -> ChangeList:
        changes: ChangeList = super().get_changelist_instance(request)  # type: ignore[misc]
        rows = changes.result_list
        if self.list_only:
            rows = rows.select_related(None).select_related(*self.list_select_related)
            changes.result_list = rows = rows.only(*self.list_only)
        # The last page ends with the last row, wherever that is.
        is_full = changes.page_num * changes.list_per_page < changes.result_count
        if is_full and (asked := self._asked_by_all(request)):
            changes.result_list = kept((*asked, "rows"), lambda: CompiledQuery(lambda: rows))()
        return changes

    def _asked_by_all(self: Any, request: HttpRequest) -> tuple[Any, ...] | None:
        """What tells this list from others, where nothing narrows it."""
        if not self.list_is_one_for_all or set(request.GET) - {ORDER_VAR, PAGE_VAR}:
            return None
        return (self.opts.label, request.GET.urlencode())

    def get_paginator(
        self: Any,
        request: HttpRequest,
        queryset: QuerySet[Any],
        per_page: int,
        *args: Any,
        **options: Any,  # those of what is offered while somebody types come by name
    ) -> Paginator:
        if self.list_sums:
            fields = [field for _, field in self.list_sums]
            ask: Any = partial(_sums, queryset, self.sums_by, fields)
            if asked := self._asked_by_all(request):
                ask = kept((*asked, "sums"), partial(CompiledQuery, ask))
            return SummedPaginator(queryset, per_page, *args, ask=ask, **options)
        paginator: Paginator = super().get_paginator(  # type: ignore[misc]
            request, queryset, per_page, *args, **options
        )
        return paginator

    def _file(self: Any, request: HttpRequest, wanted: str) -> HttpResponseBase:
        if not self.has_view_permission(request):
            raise PermissionDenied
        back = HttpResponseRedirect(f"{request.path}?{request.GET.urlencode()}")
        if wanted not in _FORMATS:
            messages.error(request, "There are files as CSV and as XLSX.")
            return back
        changes: ChangeList = self.get_changelist_instance(request)
        rows = changes.get_queryset(request)
        if rows.order_by()[: _MAX_ROWS + 1].count() > _MAX_ROWS:
            messages.error(request, f"More than {_MAX_ROWS:,} rows: filter them first.")
            return back
        names = [name for name in self.get_list_display(request) if name != "action_checkbox"]
        cells = (
            [_value(name, row, self) for name in names]
            for row in _all_of(rows, by_key=self.has_one_key)
        )
        first = list(islice(cells, _LOOKED_AT))
        columns = _columns(names, first, self)
        return table_response(
            wanted,
            f"{self.opts.verbose_name_plural}-{dt.datetime.now(dt.UTC):%Y-%m-%d}".replace(" ", "-"),
            columns,
            (_row(columns, each) for each in chain(first, cells)),
        )

    def file_link(self, changes: ChangeList, file_format: str) -> str:
        """All pages of what the list shows, as a file."""
        return changes.get_query_string({FILE_PARAMETER: file_format}, remove=["p"])

    def chips(self, changes: ChangeList) -> list[Chip]:
        return chips(changes)

    def rows(self, changes: ChangeList) -> RowList | None:
        """For `admin/change_list.html`; None where there is none, or they are edited in place."""
        return RowList(changes) if changes.result_list and not changes.formset else None

    def sums(self: Any, changes: ChangeList) -> list[tuple[str, list[tuple[str, str]]]]:
        """By currency, over all pages of the list; for `admin/list_sums.html`."""
        if not self.list_sums:
            return []
        paginator: Any = changes.paginator
        return [
            (
                currency,
                [
                    (label, money(value, currency))
                    for (label, _), value in zip(self.list_sums, values, strict=True)
                ],
            )
            for currency, *values, _ in paginator.sums
        ]


def _sums(rows: QuerySet[Any], by: str, fields: Sequence[str]) -> QuerySet[Any, Any]:
    """See `SummedPaginator.sums`."""
    sums = rows.order_by().values_list(by)
    return sums.annotate(*map(Sum, fields), listed=Count("*")).order_by(by)


class SummedPaginator(Paginator):
    """Pages of rows that are added up: they are counted while they are read for it."""

    def __init__(
        self, *args: Any, ask: Callable[[], Iterable[tuple[Any, ...]]], **options: Any
    ) -> None:
        super().__init__(*args, **options)
        self._ask = ask

    @cached_property
    def sums(self) -> list[tuple[Any, ...]]:
        """Of each currency the sums of the fields, and how many rows there are."""
        return list(self._ask())

    @cached_property
    def count(self) -> int:
        return sum(count for *_, count in self.sums)


def chips(changes: ChangeList) -> list[Chip]:
    """The search and the filters that are in force, each with the address without it."""
    found = []
    if changes.query:
        found.append(Chip("Search", changes.query, changes.get_query_string(remove=["q"])))
    for spec in changes.filter_specs:
        names = [name for name in spec.expected_parameters() if name]
        used = [name for name in names if changes.params.get(name) not in (None, "")]
        # Django keeps what is asked as it came beside what it made of it.
        given = {
            name: value
            for name in names
            if (value := changes.filter_params.get(name)) not in (None, "", [""], [])
        }
        if not used and not given:
            continue
        texts = [
            str(each["display"])
            for each in spec.choices(changes)
            if each.get("selected") and each.get("display")
        ] or [
            ", ".join(value) if isinstance(value, list) else str(value) for value in given.values()
        ]
        found.append(
            Chip(
                str(spec.title).capitalize(),
                " to ".join(texts),
                changes.get_query_string(remove=names),
            )
        )
    return found


def _all_of(rows: QuerySet[Any], *, by_key: bool) -> Iterator[Any]:
    if not by_key:
        yield from rows.iterator(chunk_size=_CHUNK)
        return
    # By key, so that what completes fetched rows (`completed_by`, prefetches) is asked for.
    keys = list(rows.values_list("pk", flat=True))
    for start in range(0, len(keys), _CHUNK):
        chunk = keys[start : start + _CHUNK]
        found = {row.pk: row for row in rows.filter(pk__in=chunk)}
        yield from (found[key] for key in chunk if key in found)


def _value(name: str, row: Any, admin: Any) -> Any:
    """Numbers and times as they are, everything else as its text."""
    try:
        field, _, value = lookup_field(name, row, admin)
    except (AttributeError, ValueError, ObjectDoesNotExist):
        return None
    if isinstance(field, Field) and field.choices and not isinstance(value, Amount):
        return str(getattr(row, f"get_{field.name}_display")())
    if value is None or isinstance(value, (Amount, Decimal, dt.date)):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return value
    if isinstance(value, (tuple, list)):
        value = " ".join(str(each) for each in value if each)
    text = unescape(strip_tags(str(value))).strip()
    return None if text in ("", "–", "-") else text


def _columns(names: Sequence[str], rows: Sequence[Sequence[Any]], admin: Any) -> list[Column]:
    columns = []
    for place, name in enumerate(names):
        values = [row[place] for row in rows if row[place] is not None]
        label = str(label_for_field(name, admin.model, admin))
        columns.append(Column(name.strip("_"), label, _kind(values)))
    if any(column.kind is Kind.EXACT_MONEY for column in columns) and "currency" not in names:
        columns.append(Column("currency", "Currency"))
    return columns


def _kind(values: Sequence[Any]) -> Kind:
    for of, kind in (
        (Amount, Kind.EXACT_MONEY),
        (dt.datetime, Kind.TIME),
        (dt.date, Kind.DAY),
        (Decimal, Kind.QUANTITY),
        (int, Kind.COUNT),
    ):
        if values and any(isinstance(value, of) for value in values):
            return kind if all(isinstance(value, of) for value in values) else Kind.TEXT
    return Kind.TEXT


def _row(columns: Sequence[Column], cells: Sequence[Any]) -> dict[str, Any]:
    currency = next((each.currency for each in cells if isinstance(each, Amount)), None)
    row: dict[str, Any] = {}
    for column, value in zip(columns, [*cells, currency], strict=False):
        is_amount = isinstance(value, Amount)
        if column.kind is Kind.TEXT or value is None:
            row[column.name] = (
                f"{value.number} {value.currency}" if is_amount else value and str(value)
            )
        elif is_amount:
            row[column.name] = value.number
        else:
            # A later row that holds something else than the first ones did.
            row[column.name] = value if _kind([value]) is column.kind else None
    return row
