"""Files of usage as lines of JSON: CSV or NDJSON, packed with gzip or not.

A line that cannot be read is one refusal, and the next line is read as if nothing had been. That is
why CSV is taken line by line: no value of a record may hold a line break, so a quote that is not
closed has no business in the next line. Only a file that is something else altogether is refused
as a whole, by the name of what it is, before anything is recorded.
"""

import csv
import io
import json
import re
import zlib
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any, BinaryIO, NamedTuple

import msgspec

from billing.errors import Invalid
from usage.services.ingest.parsing import Entry

_FIELDS = msgspec.structs.fields(Entry)
COLUMNS = tuple(field.name for field in _FIELDS)
_REQUIRED = tuple(field.name for field in _FIELDS if field.required)
# Its spaces decide whether it is the same key; everything else is trimmed.
_UNTOUCHED = "idempotency_key"
# The columns of a report of refusals: the record is in the last one, as JSON.
REPORT_COLUMNS = ("line", "code", "field", "detail", "text")
_DELIMITERS = ",;\t|"
_SEP = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
_BOM = b"\xef\xbb\xbf"
_GZIP = b"\x1f\x8b"
_OTHER_FORMATS = {
    b"PK\x03\x04": "a zip file or an Excel workbook: save it as CSV",
    b"\xff\xfe": "UTF-16: save it as UTF-8",
    b"\xfe\xff": "UTF-16: save it as UTF-8",
    b"BZh": "packed with bzip2: gzip is read",
    b"\xfd7zXZ": "packed with xz: gzip is read",
    b"\x28\xb5\x2f\xfd": "packed with zstd: gzip is read",
    b"PAR1": "Parquet",
}
_MAX_LINE_BYTES = 65_536
_BROKEN = (EOFError, zlib.error, OSError)


class FileCutShort(Exception):
    """The file cannot be read on; every whole line before that has been given."""


class FileLine(NamedTuple):
    """`text` is the record as JSON; with a `code`, the line could not be read as one."""

    number: int
    text: bytes
    code: str | None = None
    detail: str = ""


class ImportSource:
    """The lines of a file; `position` counts bytes read of it as it lies on disk."""

    def __init__(self, file: BinaryIO, *, kind: str | None = None) -> None:
        """`kind` is "csv" or "ndjson"; None looks at the beginning. Raises `Invalid` for a file
        that is something else, or whose header does not name what a record needs."""
        self._counted = _Counted(file)
        self._stream: io.BufferedReader[Any] = io.BufferedReader(self._counted, 1 << 20)
        self._number = 0
        try:
            if self._stream.peek(2)[:2] == _GZIP:
                self._stream = io.BufferedReader(_Unpacked(self._stream), 1 << 20)
            start = self._stream.peek(_MAX_LINE_BYTES)
        except _BROKEN as error:
            raise Invalid(f"The file cannot be read: {error}.", field="file") from error
        self._refuse_other_formats(start)
        text = start.removeprefix(_BOM).lstrip()
        if kind is None:
            kind = "ndjson" if text[:1] in (b"{", b"") else "csv"
        self._refuse_documents(text)
        self.kind = kind
        self._header: list[str] = []
        self._delimiter = ","
        self._is_report = False
        if kind == "csv":
            self._read_header()

    @property
    def position(self) -> int:
        return self._counted.position

    def lines(self) -> Iterator[FileLine]:
        """Every line that is not empty. Raises `FileCutShort` where the file cannot be read on."""
        for number, raw in self._raw_lines():
            line = self._csv_line(number, raw) if self.kind == "csv" else FileLine(number, raw)
            if len(raw) > _MAX_LINE_BYTES:
                detail = f"A line has at most {_MAX_LINE_BYTES} bytes."
                yield FileLine(number, raw[:200], "line_too_long", detail)
            elif line is not None:
                yield line

    def _raw_lines(self) -> Iterator[tuple[int, bytes]]:
        """Numbered lines without what is around them; of one too long, its beginning."""
        while True:
            try:
                raw = self._stream.readline(_MAX_LINE_BYTES + 1)
                rest = raw
                while len(rest) > _MAX_LINE_BYTES and not rest.endswith(b"\n"):
                    rest = self._stream.readline(_MAX_LINE_BYTES + 1)
            except _BROKEN as error:
                detail = f"The file is cut short or damaged after line {self._number}: {error}"
                raise FileCutShort(detail) from error
            if not raw:
                return
            self._number += 1
            if self._number == 1:
                raw = raw.removeprefix(_BOM)
            if line := raw.strip(b" \r\n") if self.kind == "csv" else raw.strip():
                yield self._number, line

    def _refuse_other_formats(self, start: bytes) -> None:
        for magic, name in _OTHER_FORMATS.items():
            if start.startswith(magic):
                raise Invalid(f"The file is {name}.", field="file")
        if b"\n" not in start and b"\r" in start.strip():
            raise Invalid("Lines of the file end in CR alone; LF or CRLF is read.", field="file")

    def _refuse_documents(self, text: bytes) -> None:
        first, _, _ = text.partition(b"\n")
        is_envelope = re.match(rb'\{\s*"records"\s*:', text) is not None
        if text[:1] == b"[" or is_envelope or first.strip() == b"{":
            what = "array" if text[:1] == b"[" else "document"
            raise Invalid(
                f"The file is a JSON {what}; NDJSON is read, which has one record a line"
                " (jq -c '.[]' makes it of an array).",
                field="file",
            )

    def _read_header(self) -> None:
        try:
            raw = next((raw for _, raw in self._raw_lines()), b"")
            if separator := _SEP.fullmatch(raw.decode()):
                raw = next((raw for _, raw in self._raw_lines()), b"")
                delimiters = separator[1]
            else:
                delimiters = _DELIMITERS
            text = raw.decode()
        except FileCutShort as error:
            raise Invalid(str(error), field="file") from error
        except UnicodeDecodeError:
            raise Invalid("The header of the CSV is not UTF-8.", field="file") from None
        headers = {each: _header(text, each) for each in delimiters}
        # The right one names most of what a record, or a report of refusals, has.
        named = {*COLUMNS, *REPORT_COLUMNS}
        self._delimiter = max(headers, key=lambda each: len(named & set(headers[each])))
        self._header = headers[self._delimiter]
        self._is_report = tuple(self._header) == REPORT_COLUMNS
        if not self._is_report:
            self._check_header()

    def _check_header(self) -> None:
        names = [name for name in self._header if name]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise Invalid(f"The CSV names the column {_list(repeated)} twice.", field="file")
        if missing := [name for name in _REQUIRED if name not in names]:
            raise Invalid(
                f"The CSV has no column {_list(missing)}; its first line must name the columns.",
                field="file",
            )
        if unknown := sorted(set(names) - set(COLUMNS)):
            raise Invalid(f"The CSV has an unknown column {_list(unknown)}.", field="file")

    def _csv_line(self, number: int, raw: bytes) -> FileLine | None:
        code, detail = None, ""
        try:
            text = raw.decode()
        except UnicodeDecodeError as error:
            text = raw.decode(errors="replace")
            code, detail = "not_utf8", f"Byte {error.start + 1} of the line is not UTF-8."
        try:
            cells = _cells(text, self._delimiter)
        except csv.Error as error:
            # Near enough to be mended by hand.
            cells = text.split(self._delimiter)
            code, detail = code or "malformed_csv", detail or f"This is not CSV: {error}."
        if not any(cell.strip() for cell in cells):
            return None
        if self._is_report:
            return FileLine(number, cells[-1].strip().encode(), code, detail)
        values: dict[str, str] = {}
        extra: list[str] = []
        for name, cell in zip_longest(self._header, cells, fillvalue=""):
            trimmed = cell.strip()
            if not name and trimmed:
                extra.append(trimmed)
            elif name and (trimmed or name in _REQUIRED):  # only the optional ones may be empty
                values[name] = cell if name == _UNTOUCHED else trimmed
        if extra:
            values["more"] = self._delimiter.join(extra)
            if code is None:
                code, detail = "extra_cell", "The line has more values than the CSV has columns."
        return FileLine(number, json.dumps(values, ensure_ascii=False).encode(), code, detail)


def _header(text: str, delimiter: str) -> list[str]:
    try:
        return [cell.strip().lower() for cell in _cells(text, delimiter)]
    except csv.Error:
        return []


def _cells(text: str, delimiter: str) -> list[str]:
    return next(csv.reader([text], delimiter=delimiter, strict=True), [])


def _list(names: Sequence[str]) -> str:
    return ", ".join(names)


class _Counted(io.RawIOBase):
    """Counts the bytes that are read through it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.position = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def]
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        self.position += len(data)
        return len(data)


class _Unpacked(io.RawIOBase):
    """What a gzip stream holds, given as it comes: Python's own reader loses what it has unpacked
    when it meets the end of a file that was cut."""

    _CHUNK = 16_384

    def __init__(self, packed: "io.BufferedReader[Any]") -> None:
        self._packed = packed
        self._unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def]
        while True:
            chunk = self._rest or self._packed.read(self._CHUNK)
            if self._unpacker.eof:
                # Another stream may follow; so may padding.
                if not (chunk := chunk.lstrip(b"\0")):
                    return 0
                self._unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
            data = self._unpacker.decompress(chunk, len(buffer))
            if not (chunk or data):
                raise EOFError("the gzip stream has no end")
            self._rest = self._unpacker.unconsumed_tail or self._unpacker.unused_data
            if data:
                buffer[: len(data)] = data
                return len(data)
