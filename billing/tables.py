"""Tables with typed columns, and the files they are taken along in: CSV, XLSX and Parquet.

Whoever has rows names their columns once; page, file and documentation follow from it. Amounts are
decimals up to the file: CSV and Parquet hold them exactly. A spreadsheet computes with fifteen
digits whatever it is given, so a longer number is written as text (ADR 42).
"""

import datetime as dt
import enum
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from typing import Any

import arro3.core as arrow
import arro3.io
import xlsxwriter
from django.http.response import HttpResponseBase

from billing import formats
from billing.exports import XLSX, csv_response, csv_text, file_response, on_sheets
from billing.money import exponent, without_exponent

Row = Mapping[str, Any]


class Kind(enum.StrEnum):
    """What a column holds. Money's currency is in the row's own column `currency`."""

    TEXT = "text"
    DAY = "day"
    MONTH = "month"  # by its first day
    TIME = "time"  # in UTC
    MONEY = "money"  # in whole cents
    EXACT_MONEY = "exact money"
    QUANTITY = "quantity"
    COUNT = "count"
    SHARE = "share"  # 0.25 is a quarter
    DAYS = "days"


NUMBERS = (Kind.MONEY, Kind.EXACT_MONEY, Kind.QUANTITY, Kind.COUNT, Kind.SHARE, Kind.DAYS)


@dataclass(frozen=True)
class Column:
    """`name` is the file's, `label` the page's; `is_summed` where adding a column up means
    something."""

    name: str
    label: str
    kind: Kind = Kind.TEXT
    is_summed: bool = False

    @property
    def is_number(self) -> bool:
        return self.kind in NUMBERS


def shown(value: Any, column: Column, currency: str) -> str:
    """A cell as a page shows it."""
    if value is None or value == "":
        return "–"
    match column.kind:
        case Kind.MONEY | Kind.EXACT_MONEY:
            return formats.money(value, currency) if currency else formats.quantity(value)
        case Kind.QUANTITY:
            return formats.quantity(round(value, 2))
        case Kind.COUNT:
            return f"{value:,}"
        case Kind.SHARE:
            return formats.percent(value)
        case Kind.DAYS:
            return formats.quantity(round(value, 1))
        case Kind.MONTH:
            return formats.short_month(value)
        case Kind.TIME:
            return f"{value.astimezone(dt.UTC):%Y-%m-%d %H:%M}"
    return str(value)


def sums_by_currency(columns: Sequence[Column], rows: Iterable[Row]) -> dict[str, dict[str, Any]]:
    """What the summed columns come to in each currency, in the order in which these occur."""
    summed = [column.name for column in columns if column.is_summed]
    found: dict[str, dict[str, Any]] = {}
    for row in rows if summed else ():
        sums = found.setdefault(row.get("currency") or "", dict.fromkeys(summed, 0))
        for name in summed:
            sums[name] += row[name] or 0
    return found


def table_response(
    file_format: str, name: str, columns: Sequence[Column], rows: Iterable[Row]
) -> HttpResponseBase:
    """The file `name` with its ending, to be saved. Raises `KeyError` for an unknown format."""
    return _FORMATS[file_format](f"{name}.{file_format}", columns, rows)


def _csv(filename: str, columns: Sequence[Column], rows: Iterable[Row]) -> HttpResponseBase:
    head = [column.name for column in columns]
    cells = ([_plain(row, column) for column in columns] for row in rows)
    return csv_response(filename, head, cells)


def _number(row: Row, column: Column) -> Decimal:
    """A number to be written: cents as its currency has them, exact amounts without zeros beyond
    them, quotients to ten decimals."""
    number = Decimal(row[column.name])
    cents = exponent(currency) if (currency := row.get("currency")) else 2
    if column.kind is Kind.MONEY:
        number = round(number, cents)
    elif column.kind is Kind.EXACT_MONEY:
        number = round(number, max(cents, -int(number.normalize().as_tuple().exponent)))
    elif column.kind in (Kind.SHARE, Kind.DAYS):
        number = round(number, _QUOTIENT)
    return number


def _plain(row: Row, column: Column) -> str:
    """A cell of text that any program reads: ISO days, decimals with a point."""
    value = row[column.name]
    if value is None:
        return ""
    match column.kind:
        case Kind.MONTH:
            return f"{value:%Y-%m}"
        case Kind.TIME:
            return f"{value.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"
        case Kind.DAY:
            return str(value)
        case Kind.TEXT:
            return csv_text(str(value))
    return without_exponent(_number(row, column))


_MAX_DIGITS = 15
_QUOTIENT = 10
_SHEET_FORMATS = {
    Kind.DAY: "yyyy-mm-dd",
    Kind.MONTH: "yyyy-mm",
    Kind.TIME: "yyyy-mm-dd hh:mm",
    Kind.EXACT_MONEY: "#,##0.00########",
    Kind.QUANTITY: "#,##0.######",
    Kind.COUNT: "#,##0",
    Kind.SHARE: "0.0%",
    Kind.DAYS: "0.0",
}
_WIDTHS = {Kind.TEXT: 24, Kind.TIME: 17}


def _xlsx(filename: str, columns: Sequence[Column], rows: Iterable[Row]) -> HttpResponseBase:
    # A row at a time: memory stays flat. On disk, since a workbook's index is written last.
    file = tempfile.TemporaryFile(suffix=".xlsx")  # noqa: SIM115 - the response closes it
    with xlsxwriter.Workbook(file, {"constant_memory": True}) as book:
        bold = book.add_format({"bold": True, "text_wrap": True, "valign": "top"})
        looks = {
            kind: book.add_format({"num_format": text}) for kind, text in _SHEET_FORMATS.items()
        }
        of_money: dict[int, Any] = {}
        # Of each sheet, for what its filter covers.
        last_lines: dict[Any, int] = {}

        def begin(number: int) -> Any:
            sheet = book.add_worksheet()
            sheet.freeze_panes(1, 0)
            for place, column in enumerate(columns):
                sheet.set_column(place, place, _WIDTHS.get(column.kind, 14))
                sheet.write_string(0, place, column.label, bold)
            last_lines[sheet] = 1
            return sheet

        for sheet, line, row in on_sheets(rows, begin):
            last_lines[sheet] = line
            currency = row.get("currency") or ""
            for place, column in enumerate(columns):
                look = looks.get(column.kind)
                if column.kind is Kind.MONEY:
                    digits = exponent(currency) if currency else 2
                    if digits not in of_money:
                        decimals = f".{'0' * digits}" if digits else ""
                        of_money[digits] = book.add_format({"num_format": f"#,##0{decimals}"})
                    look = of_money[digits]
                _write(sheet, line, place, row, column, look)
        for sheet, line in last_lines.items():
            sheet.autofilter(0, 0, line, len(columns) - 1)
    return file_response(file, filename, XLSX)


def _write(sheet: Any, line: int, place: int, row: Row, column: Column, look: Any) -> None:
    value = row[column.name]
    if value is None:
        return
    if column.kind is Kind.TIME:
        # A spreadsheet's times have no zone.
        sheet.write_datetime(line, place, value.astimezone(dt.UTC).replace(tzinfo=None), look)
    elif column.kind in (Kind.DAY, Kind.MONTH):
        sheet.write_datetime(line, place, value, look)
    elif column.is_number:
        number = _number(row, column)
        if len(number.normalize().as_tuple().digits) > _MAX_DIGITS:
            sheet.write_string(line, place, without_exponent(number))
        else:
            sheet.write_number(line, place, number or 0, look)
    else:
        # As a string cell it is never run as a formula or made a link.
        sheet.write_string(line, place, str(value)[:32_767])


_BATCH = 10_000
# Digits in all, and decimals, of the columns that amounts come from.
_DECIMALS = {
    Kind.MONEY: (38, 3),
    Kind.EXACT_MONEY: (38, 10),
    Kind.QUANTITY: (38, 6),
    Kind.SHARE: (38, _QUOTIENT),
    Kind.DAYS: (38, _QUOTIENT),
}


def _parquet(filename: str, columns: Sequence[Column], rows: Iterable[Row]) -> HttpResponseBase:
    types = [_arrow_type(column.kind) for column in columns]
    fields = [
        arrow.Field(column.name, type_, nullable=True)
        for column, type_ in zip(columns, types, strict=True)
    ]
    schema = arrow.Schema(fields)

    def batches() -> Iterator[arrow.RecordBatch]:
        left = iter(rows)
        while batch := list(islice(left, _BATCH)):
            arrays = [
                arrow.Array(
                    [_arrow_text(row[column.name], column) for row in batch],
                    arrow.DataType.utf8(),
                ).cast(type_)
                for column, type_ in zip(columns, types, strict=True)
            ]
            yield arrow.RecordBatch.from_arrays(arrays, schema=schema)

    file = tempfile.TemporaryFile(suffix=".parquet")  # noqa: SIM115 - the response closes it
    arro3.io.write_parquet(arrow.RecordBatchReader.from_batches(schema, batches()), file)
    return file_response(file, filename, "application/vnd.apache.parquet")


def _arrow_type(kind: Kind) -> arrow.DataType:
    if kind in _DECIMALS:
        return arrow.DataType.decimal128(*_DECIMALS[kind])
    if kind is Kind.COUNT:
        return arrow.DataType.int64()
    if kind in (Kind.DAY, Kind.MONTH):
        return arrow.DataType.date32()
    if kind is Kind.TIME:
        return arrow.DataType.timestamp("us", tz="UTC")
    return arrow.DataType.utf8()


def _arrow_text(value: Any, column: Column) -> str | None:
    """What the column's type is read from, exactly."""
    if value is None:
        return None
    if column.kind in _DECIMALS:
        return format(round(Decimal(value), _DECIMALS[column.kind][1]), "f")
    if column.kind is Kind.TIME:
        return str(value.astimezone(dt.UTC).isoformat())
    return str(value)


_FORMATS: dict[str, Callable[[str, Sequence[Column], Iterable[Row]], HttpResponseBase]] = {
    "csv": _csv,
    "xlsx": _xlsx,
    "parquet": _parquet,
}
FILE_FORMATS = tuple(_FORMATS)
