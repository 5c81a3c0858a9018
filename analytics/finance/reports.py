"""Finance's pages of reports: the list of them, one with its rows, and its files."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone as clock

from analytics.reports import REPORTS, Basis, Report, ReportRequest
from billing.models import Workspace
from billing.money import CURRENCIES
from billing.replica import lagging_reads
from billing.services.staff import SEES_FIGURES
from billing.tables import FILE_FORMATS, Column, Row, shown, sums_by_currency, table_response
from usage.filters import SENSIBLE_DAYS

# Rows of a page; its sums are of all, and so are the files.
_SHOWN = 500
_MAX_MONTHS = 36
_DAY = dt.timedelta(days=1)
_GROUPS = (
    ("Revenue", ("revenue", "usage", "invoices", "top-customers", "falling-customers")),
    ("Recurring", ("recurring", "recurring-changes", "unbilled")),
    (
        "Margins",
        (
            "margin-by-customer",
            "margin-by-agent",
            "margin-by-provider",
            "margin-by-model",
            "margin-by-type",
            "margin-by-month",
        ),
    ),
    ("Receivables", ("ageing", "open-invoices", "dso", "written-off")),
    ("Money", ("collections", "payments", "credit-notes", "customer-credit", "taxes")),
)


class AskedForm(forms.Form):
    first = forms.DateField(label="From", widget=forms.DateInput({"type": "date"}))
    last = forms.DateField(label="To", widget=forms.DateInput({"type": "date"}))
    as_of = forms.DateField(label="As of", required=False, widget=forms.DateInput({"type": "date"}))
    currency = forms.ChoiceField(
        required=False, choices=[("", "All"), *((each, each) for each in sorted(CURRENCIES))]
    )
    workspace = forms.ModelChoiceField(
        Workspace.objects.all(),
        required=False,
        widget=forms.HiddenInput,
        error_messages={"invalid_choice": "There is no such customer."},
    )

    def __init__(self, *args: Any, basis: Basis, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if basis is Basis.AS_OF:
            del self.fields["first"], self.fields["last"]
        for field in self.fields.values():
            if isinstance(field, forms.DateField):
                field.validators += SENSIBLE_DAYS

    def clean(self) -> dict[str, Any]:
        said = super().clean() or {}
        first, last = said.get("first"), said.get("last")
        if first and last and first > last:
            self.add_error("last", "The last day is before the first one.")
        elif first and last and _months_of(first, last) > _MAX_MONTHS:
            self.add_error("last", f"At most {_MAX_MONTHS} months at once.")
        return said


def _months_of(first: dt.date, last: dt.date) -> int:
    return (last.year - first.year) * 12 + last.month - first.month + 1


@dataclass(frozen=True)
class Range:
    label: str
    first: dt.date
    last: dt.date


def ranges(today: dt.date) -> list[Range]:
    """Those that are asked for most; the first is what a report begins with."""
    month = today.replace(day=1)
    quarter = month.replace(month=(month.month - 1) // 3 * 3 + 1)
    last_month, last_quarter = month - _DAY, quarter - _DAY
    year = month.replace(month=1)
    return [
        Range("This quarter", quarter, today),
        Range("This month", month, today),
        Range("Last month", last_month.replace(day=1), last_month),
        Range(
            "Last quarter",
            last_quarter.replace(day=1, month=last_quarter.month - 2),
            last_quarter,
        ),
        Range("This year", year, today),
        Range("Last 12 months", month.replace(year=month.year - 1), last_month),
    ]


def _may(request: HttpRequest) -> None:
    if not request.user.has_perms(SEES_FIGURES):
        raise PermissionDenied


def _report(key: str) -> Report:
    if key not in REPORTS:
        raise Http404
    return REPORTS[key]


def index(request: HttpRequest) -> HttpResponse:
    """All reports, with the days that are asked for most one click away."""
    _may(request)
    offered = [each for each in ranges(clock.now().date()) if each.label.startswith("Last")]
    groups = [
        (
            title,
            [
                (
                    report,
                    []
                    if report.basis is Basis.AS_OF
                    else [
                        (each.label, report.url(first=each.first, last=each.last))
                        for each in offered
                    ],
                )
                for report in map(REPORTS.__getitem__, keys)
            ],
        )
        for title, keys in _GROUPS
    ]
    return render(
        request,
        "admin/finance/reports.html",
        {**admin.site.each_context(request), "title": "Reports", "groups": groups},
    )


def _asked(request: HttpRequest, report: Report) -> tuple[AskedForm, ReportRequest | None]:
    now = clock.now()
    today = now.date()
    usual = ranges(today)[0]
    given = {
        "first": usual.first.isoformat(),
        "last": usual.last.isoformat(),
        "as_of": today.isoformat(),
        **{name: value for name, value in request.GET.dict().items() if value},
    }
    form = AskedForm(given, basis=report.basis)
    if not form.is_valid():
        return form, None
    said = form.cleaned_data
    as_of = said["as_of"] or today
    workspace = said["workspace"]
    asked = ReportRequest(
        said.get("first") or as_of,
        said.get("last") or as_of,
        as_of,
        now,
        said["currency"],
        workspace.pk if workspace else None,
    )
    return form, asked


def page(request: HttpRequest, report_key: str) -> HttpResponse:
    """A report with its sums by currency, and how it is computed."""
    _may(request)
    report = _report(report_key)
    form, asked = _asked(request, report)
    context: dict[str, Any] = {
        "title": report.title,
        "report": report,
        "form": form,
        "formats": FILE_FORMATS,
        "query": request.GET.urlencode(),
    }
    if asked:
        with lagging_reads(now=asked.now) as read_at:
            rows = list(report.rows(asked))
        columns = _with_anything(report, rows)
        given = {
            "as_of": request.GET.get("as_of"),
            "currency": asked.currency,
            "workspace": asked.workspace_id,
        }
        context |= {
            "asked": asked,
            "read_at": read_at,
            "count": len(rows),
            "more": max(0, len(rows) - _SHOWN),
            "columns": columns,
            "left_out": [column.label for column in report.columns if column not in columns],
            "lines": [_cells(report, columns, row, asked) for row in rows[:_SHOWN]],
            "sums": _sums(columns, rows),
            "customer": form.cleaned_data["workspace"],
            "without_customer": report.url(
                **{name: value for name, value in request.GET.items() if name != "workspace"}
            ),
            "ranges": []
            if report.basis is Basis.AS_OF
            else [
                (
                    each.label,
                    report.url(**given, first=each.first, last=each.last),
                    (each.first, each.last) == (asked.first, asked.last),
                )
                for each in ranges(asked.now.date())
            ],
        }
    return render(
        request, "admin/finance/report.html", {**admin.site.each_context(request), **context}
    )


@dataclass(frozen=True)
class Cell:
    text: str
    exact: str
    is_number: bool
    link: str = ""


def _with_anything(report: Report, rows: list[Row]) -> list[Column]:
    """Those that the page shows: without sums of nothing, which only widen it."""
    return [
        column
        for column in report.columns
        if not column.is_summed or not rows or any(row[column.name] for row in rows)
    ]


def _cells(report: Report, columns: list[Column], row: Row, asked: ReportRequest) -> list[Cell]:
    currency = row.get("currency") or ""
    return [
        Cell(
            shown(row[column.name], column, currency),
            _exact(row[column.name], column),
            column.is_number,
            report.links[column.name](row, asked)
            if column.name in report.links and row[column.name] is not None
            else "",
        )
        for column in columns
    ]


def _exact(value: Any, column: Column) -> str:
    """What hovering tells of a number that is shown rounded."""
    return f"{value:f}" if column.is_number and value is not None and value % 1 else ""


def _sums(columns: list[Column], rows: list[Row]) -> list[tuple[str, list[Cell]]]:
    """A line of sums for each currency."""
    found = []
    for currency, sums in sums_by_currency(columns, rows).items():
        cells = [
            Cell(shown(sums[column.name], column, currency), "", True)
            if column.is_summed
            else Cell("", "", column.is_number)
            for column in columns[1:]
        ]
        found.append((f"Total {currency}".strip(), cells))
    return found


def file(request: HttpRequest, report_key: str, file_format: str) -> HttpResponseBase:
    """The whole report as a file; back to its page where what was asked is not possible."""
    _may(request)
    report = _report(report_key)
    if file_format not in FILE_FORMATS:
        raise Http404
    _, asked = _asked(request, report)
    if asked is None:
        return HttpResponseRedirect(f"{report.url()}?{request.GET.urlencode()}")
    with lagging_reads(now=asked.now):
        rows = list(report.rows(asked))
    days = f"{asked.as_of}" if report.basis is Basis.AS_OF else f"{asked.first}-to-{asked.last}"
    return table_response(file_format, f"{report.key}-{days}", report.columns, rows)
