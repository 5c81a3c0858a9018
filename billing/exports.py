"""CSV that spreadsheets open as it is meant; streamed where memory must stay flat."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.http import HttpResponse, StreamingHttpResponse

# Without it, spreadsheets take UTF-8 for the encoding of the machine they run on.
_BYTE_ORDER_MARK = "\ufeff"
# What a spreadsheet may take for the beginning of a formula, full-width forms too.
_FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")


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


def _as_file(filename: str) -> dict[str, Any]:
    return {
        "content_type": "text/csv; charset=utf-8",
        "headers": {"Content-Disposition": f'attachment; filename="{filename}"'},
    }
