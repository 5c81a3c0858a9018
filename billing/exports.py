"""CSV and XLSX that spreadsheets open as it is meant; streamed where memory must stay flat."""

import csv
import datetime as dt
import itertools
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from typing import IO, Any, TypeVar

import xlsxwriter
from django.http import FileResponse, HttpResponse, StreamingHttpResponse

# Without it, spreadsheets take UTF-8 for the encoding of the machine they run on.
_BYTE_ORDER_MARK = "\ufeff"
# What a spreadsheet may take for the beginning of a formula, full-width forms too.
_FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
# Of one sheet, its head included; what is more goes to a further one.
SHEET_ROWS = 1_048_576
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_WIDTH = 18
_Row = TypeVar("_Row")


class _Echo:
    """A file that hands each line back instead of keeping it."""

    def write(self, line: str) -> str:
        return line


def _lines(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """The lines of a file, each as it is read."""
    writer = csv.writer(_Echo())
    yield _BYTE_ORDER_MARK + writer.writerow(head)
    for row in rows:
        yield writer.writerow(row)


def csv_text(value: str) -> str:
    """Free text that a spreadsheet will not run as a formula."""
    runs = value.startswith(_FORMULA) or value.lstrip().startswith(_FORMULA)
    return f"'{value}" if runs else value


def csv_response(
    filename: str, head: Sequence[str], rows: Iterable[Sequence[Any]]
) -> StreamingHttpResponse:
    return StreamingHttpResponse(_lines(head, rows), **_as_file(filename))


def sheet_response(filename: str, text: str) -> HttpResponse:
    """A sheet (`billing.services.sheets`), to be filled in and read again."""
    return HttpResponse(text, **_as_file(filename))


def xlsx_response(
    filename: str,
    head: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    sheet: str,
) -> FileResponse:
    """A workbook of texts, numbers (int, Decimal) and times (aware ones as their clock shows).

    Written row by row to a file without a name, which the answer is then read from: memory stays
    flat. Spreadsheets keep 15 digits of a number; a CSV has all of them.
    """
    # Closed by the response; gone with it.
    file = tempfile.TemporaryFile(prefix="export-", suffix=".xlsx")  # noqa: SIM115
    options = {
        "constant_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "default_date_format": "yyyy-mm-dd hh:mm:ss",
        "remove_timezone": True,
    }
    with xlsxwriter.Workbook(file, options) as book:
        bold = book.add_format({"bold": True})

        def begin(number: int) -> Any:
            page = book.add_worksheet(sheet if number == 1 else f"{sheet} {number}")
            page.set_column(0, len(head) - 1, _WIDTH)
            page.freeze_panes(1, 0)
            page.write_row(0, 0, head, bold)
            return page

        for page, place, row in on_sheets(rows, begin):
            _write_row(page, place, row)
    return file_response(file, filename, XLSX)


def on_sheets(rows: Iterable[_Row], begin: Callable[[int], Any]) -> Iterator[tuple[Any, int, _Row]]:
    """Each row with its sheet and its place there, below a head. `begin` makes the sheet of a
    number: the first in any case, and another where one is full."""
    waiting = iter(rows)
    for number in itertools.count(1):
        sheet = begin(number)
        for place, row in enumerate(itertools.islice(waiting, SHEET_ROWS - 1), start=1):
            yield sheet, place, row
        if (ahead := next(waiting, None)) is None:
            return
        waiting = itertools.chain([ahead], waiting)


def file_response(file: IO[bytes], filename: str, content_type: str) -> FileResponse:
    """A file that was just written, to be saved; it is closed with the response."""
    file.seek(0)
    return FileResponse(file, as_attachment=True, filename=filename, content_type=content_type)


def _write_row(page: Any, place: int, row: Sequence[Any]) -> None:
    """By the kind of each value, which costs half of letting the library find out."""
    for column, value in enumerate(row):
        if isinstance(value, (int, Decimal)):
            page.write_number(place, column, value)
        elif isinstance(value, dt.datetime | dt.date):
            page.write_datetime(place, column, value)
        elif value:
            page.write_string(place, column, str(value))


def _as_file(filename: str) -> dict[str, Any]:
    return {
        "content_type": "text/csv; charset=utf-8",
        "headers": {"Content-Disposition": f'attachment; filename="{filename}"'},
    }
