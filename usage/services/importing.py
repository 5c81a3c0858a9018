"""Importing files of usage, in batches that may be resent.

Every line goes the way of a record sent over HTTP. Keys make it resumable: run again, whatever was
recorded before is counted as a duplicate and nothing twice.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

from django.utils import timezone as clock

from usage.services.import_files import FileCutShort, FileLine, ImportSource
from usage.services.ingest import check_entries, record_usage
from usage.services.ingest.parsing import RecordError, usage_parser

BATCH = 5_000


@dataclass(slots=True)
class ImportSummary:
    """What is committed so far; `cut_short` says why the file was not read to its end."""

    lines: int = 0
    accepted: int = 0
    duplicates: int = 0
    refused: int = 0
    cut_short: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A line that was not recorded; `text` is its record as JSON, as far as there is one."""

    line: int
    code: str
    field: str | None
    detail: str
    text: str


def import_usage(
    source: ImportSource,
    summary: ImportSummary,
    *,
    refused: Callable[[Refusal], None],
    progress: Callable[[], None] = lambda: None,
    clock_now: Callable[[], dt.datetime] = clock.now,
) -> None:
    """Record every line, a batch a transaction, and keep `summary` true all along.

    `refused` gets each line that was not recorded. Of a file that is cut short, everything before
    the cut is recorded.
    """
    batch: list[FileLine] = []
    lines = source.lines()
    while True:
        try:
            line = next(lines, None)
        except FileCutShort as cut:
            summary.cut_short, line = str(cut), None
        if line is not None:
            batch.append(line)
        if batch and (line is None or len(batch) == BATCH):
            _import_batch(batch, summary, refused, clock_now())
            batch = []
            progress()
        if line is None:
            return


def _import_batch(
    batch: list[FileLine],
    summary: ImportSummary,
    refused: Callable[[Refusal], None],
    now: dt.datetime,
) -> None:
    readable = [line for line in batch if line.code is None]
    records, errors = check_entries(usage_parser.lines([line.text for line in readable]), now=now)
    result = record_usage(records, now=now, refused=errors, with_agents=False)
    summary.lines += len(batch)
    summary.accepted += result.accepted
    summary.duplicates += result.duplicates
    summary.refused += len(result.errors) + len(batch) - len(readable)
    refusals = [_refusal(line) for line in batch if line.code is not None]
    refusals += [_refusal(readable[error.index], error) for error in result.errors]
    for refusal in sorted(refusals, key=lambda each: each.line):
        refused(refusal)


def _refusal(line: FileLine, error: RecordError | None = None) -> Refusal:
    text = line.text.decode(errors="replace")
    if error is None:
        return Refusal(line.number, line.code or "", None, line.detail, text)
    return Refusal(line.number, error.code, error.field, error.detail, text)
