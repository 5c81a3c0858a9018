"""Sheets: CSV files, or cells copied from a spreadsheet, whose first line names the columns."""

import csv
import datetime as dt
import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from textwrap import shorten
from typing import Any, TypeVar

from billing.decimals import NotExact, exact_decimal
from billing.errors import Invalid
from billing.exports import csv_text

MAX_BYTES = 1_000_000
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
_Row = TypeVar("_Row")


class BadRow(ValueError):
    """What is wrong with a row, by column."""

    def __init__(self, faults: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{column}: {detail.rstrip('.')}" for column, detail in faults))
        self.faults = faults


class Cells:
    """The cells of a row, and what is wrong with them. A wrong one counts as something that is
    fine, so that it is named once."""

    def __init__(self, row: Mapping[str, str], columns: Sequence[str]) -> None:
        self._texts = {column: (row.get(column) or "").strip() for column in columns}
        self.faults: list[tuple[str, str]] = []

    def __getitem__(self, column: str) -> str:
        return self._texts[column]

    def decimal(self, column: str, *, integer_digits: int, decimals: int) -> Decimal:
        try:
            return exact_decimal(self[column], integer_digits=integer_digits, decimals=decimals)
        except NotExact as error:
            self.faults.append((column, error.detail))
            return Decimal(1)

    def day(self, column: str, *, otherwise: dt.date) -> dt.date:
        try:
            return dt.date.fromisoformat(self[column])
        except ValueError:
            self.faults.append((column, "A day is expected, as 2026-12-01."))
            return otherwise

    def refuse(self, more: Iterable[tuple[str, str]]) -> None:
        """Raise `BadRow` for what was found, and `more`, where there is anything."""
        if faults := [*self.faults, *more]:
            raise BadRow(faults)


def read_sheet(
    content: bytes,
    columns: Sequence[str],
    read: Callable[[Mapping[str, str]], _Row],
    *,
    max_rows: int,
    noun: str,
) -> list[_Row]:
    """Every row as `read` understands it, which raises `BadRow`.

    Raises `Invalid`, which names the first lines that are wrong.
    """
    if len(content) > MAX_BYTES:
        raise Invalid(f"The file has more than {MAX_BYTES} bytes.", code="body_too_large")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Invalid("The file is not UTF-8 text.", code="invalid_text") from None
    head = text.partition("\n")[0]
    # Cells copied from a spreadsheet come with tabs, files of some countries with semicolons.
    separator = next((each for each in "\t;" if each in head), ",")
    reader = csv.DictReader(io.StringIO(text), delimiter=separator)
    try:
        unknown = [name for name in reader.fieldnames or () if name not in columns]
    except csv.Error as error:
        raise Invalid(f"Line 1 is not CSV: {error}.") from None
    if unknown or not reader.fieldnames:
        named = shorten(", ".join(unknown), 100, placeholder=" ...") or "none"
        raise Invalid(f"Its first line must name columns of {', '.join(columns)}; found: {named}.")
    rows: list[_Row] = []
    faults: list[str] = []
    try:
        for row in reader:
            if len(rows) >= max_rows:
                raise Invalid(f"At most {max_rows} {noun} are kept.", code=f"too_many_{noun}")
            try:
                rows.append(read({name: _read(text) for name, text in row.items()}))
            except BadRow as error:
                faults.append(f"line {reader.line_num}: {error}")
    except csv.Error as error:
        raise Invalid(f"Line {reader.line_num} is not CSV: {error}.") from None
    if faults:
        more = f" (and {len(faults) - 5} more)" if len(faults) > 5 else ""
        raise Invalid(f"{'; '.join(faults[:5])}{more}.")
    return rows


def write_sheet(columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> str:
    """One line a row, with a header; `read_sheet` reads it back."""
    file = io.StringIO()
    writer = csv.DictWriter(file, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({column: _written(value) for column, value in row.items()} for row in rows)
    return file.getvalue()


def _written(value: str) -> str:
    """A name that a spreadsheet would run as a formula, or one that looks as if it had been kept
    from that, gets an apostrophe more."""
    return f"'{value}" if value.startswith("'") or _runs(value) else value


def _read(value: Any) -> Any:
    """A cell as it was; no text where a line has more or fewer than the first."""
    if isinstance(value, str) and value.startswith("'") and _written(value[1:]) == value:
        return value[1:]
    return value


def _runs(value: str) -> bool:
    return csv_text(value) != value and not _NUMBER.fullmatch(value)
