"""Import of usage files: CSV or NDJSON, packed with gzip or not, in batches that may be resent.

Every line goes the way of a record sent over HTTP. Keys make it resumable: run again, whatever was
recorded before is counted as a duplicate and nothing twice.
"""

import csv
import datetime as dt
import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from django.utils import timezone as clock

from billing.errors import Invalid
from usage.services.ingest import check_entries, record_usage
from usage.services.ingest.entries import RecordError
from usage.services.ingest.parsing import usage_parser

BATCH = 5_000
_GZIP_MAGIC = b"\x1f\x8b"
_COLUMNS = {
    "idempotency_key",
    "workspace_id",
    "resource_type",
    "provider",
    "quantity",
    "unit_cost",
    "occurred_at",
    "call_id",
}
_REQUIRED = _COLUMNS - {"occurred_at", "call_id"}


@dataclass(slots=True)
class ImportSummary:
    lines: int = 0
    accepted: int = 0
    duplicates: int = 0
    refused: int = 0


@dataclass(frozen=True, slots=True)
class Refusal:
    """A line that was not recorded, as it stands in the file."""

    line: int
    code: str
    field: str | None
    detail: str
    text: str


class Source:
    """Lines of a file as JSON records with their line numbers; `position` counts bytes read of
    the file as it is on disk, for a progress bar."""

    def __init__(self, file: BinaryIO, *, kind: str | None = None) -> None:
        """`kind` is "csv" or "ndjson"; None looks at the first line."""
        self._counted = _Counted(file)
        stream = io.BufferedReader(self._counted, 1 << 20)
        try:
            if stream.peek(2)[:2] == _GZIP_MAGIC:
                stream = io.BufferedReader(gzip.GzipFile(fileobj=stream), 1 << 20)  # type: ignore[arg-type]
            first = stream.peek(1)[:1]
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise Invalid(f"The file is broken gzip: {error}.", field="file") from error
        self._stream = stream
        self.kind = kind or ("ndjson" if first in (b"{", b"") else "csv")

    @property
    def position(self) -> int:
        return self._counted.position

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """(line number, record as JSON). Raises `Invalid` for a CSV without the columns, and for
        a file that is neither, cut short or not text."""
        try:
            yield from self._csv() if self.kind == "csv" else self._ndjson()
        except (EOFError, gzip.BadGzipFile, zlib.error, UnicodeDecodeError, csv.Error) as error:
            raise Invalid(f"The file cannot be read to its end: {error}.", field="file") from error

    def _ndjson(self) -> Iterator[tuple[int, bytes]]:
        for number, line in enumerate(self._stream, start=1):
            if line.strip():
                yield number, line.strip()

    def _csv(self) -> Iterator[tuple[int, bytes]]:
        text = io.TextIOWrapper(self._stream, encoding="utf-8-sig", newline="")
        reader = csv.DictReader(text, strict=True)
        names = set(reader.fieldnames or ())
        if missing := sorted(_REQUIRED - names):
            raise Invalid(f"The CSV has no column {', '.join(missing)}.", field="file")
        if unknown := sorted(names - _COLUMNS):
            raise Invalid(f"The CSV has an unknown column {', '.join(unknown)}.", field="file")
        for row in reader:
            # A text is what it is; only the optional columns may be empty.
            values = {
                str(name): value
                for name, value in row.items()
                if value or (name in _REQUIRED and value is not None)
            }
            yield reader.line_num, json.dumps(values).encode()


def import_usage(
    source: Source,
    *,
    refused: Callable[[Refusal], None],
    progress: Callable[[ImportSummary], None] | None = None,
    clock_now: Callable[[], dt.datetime] = clock.now,
) -> ImportSummary:
    """Record every line, a batch a transaction; `refused` gets each line that was not."""
    summary = ImportSummary()
    batch: list[tuple[int, bytes]] = []
    for line in source.lines():
        batch.append(line)
        if len(batch) == BATCH:
            _import_batch(batch, summary, refused, clock_now())
            batch = []
            if progress is not None:
                progress(summary)
    if batch:
        _import_batch(batch, summary, refused, clock_now())
    if progress is not None:
        progress(summary)
    return summary


def _import_batch(
    batch: list[tuple[int, bytes]],
    summary: ImportSummary,
    refused: Callable[[Refusal], None],
    now: dt.datetime,
) -> None:
    records, errors = check_entries(usage_parser.lines([text for _, text in batch]), now=now)
    result = record_usage(records, now=now, refused=errors)
    summary.lines += len(batch)
    summary.accepted += result.accepted
    summary.duplicates += result.duplicates
    summary.refused += len(result.errors)
    for error in result.errors:
        refused(_refusal(error, batch))


def _refusal(error: RecordError, batch: list[tuple[int, bytes]]) -> Refusal:
    number, text = batch[error.index]
    return Refusal(number, error.code, error.field, error.detail, text.decode(errors="replace"))


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
