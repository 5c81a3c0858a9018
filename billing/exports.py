"""CSV that spreadsheets open as it is meant, streamed: memory stays flat however long it is."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.http import StreamingHttpResponse

# Without it, spreadsheets take UTF-8 for the encoding of the machine they run on.
_BYTE_ORDER_MARK = "\ufeff"
# What a spreadsheet may take for the beginning of a formula, full-width forms too.
_FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")


class _Echo:
    """A file that hands each line back instead of keeping it."""

    def write(self, line: str) -> str:
        return line


def csv_lines(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
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
    return StreamingHttpResponse(
        csv_lines(head, rows),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{filename}"'},
    )
