"""Command that imports a file of usage records."""

import csv
import sys
from contextlib import ExitStack
from dataclasses import astuple
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error as DatabaseError
from tqdm import tqdm

from billing.errors import Invalid
from usage.services.import_files import REPORT_COLUMNS, ImportSource
from usage.services.importing import ImportSummary, Refusal, import_usage


class Command(BaseCommand):
    help = (
        "Record the usage in a file: CSV with a header, or NDJSON, packed with gzip or not."
        " Running it again counts nothing twice."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FILE", help="- for standard input")
        parser.add_argument("--format", choices=["csv", "ndjson"], help="default: by its look")
        parser.add_argument(
            "--refused",
            metavar="FILE",
            help="where lines that were not recorded are told of (default: FILE.refused.csv);"
            " mended, it can be imported itself",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        name: str = options["file"]
        path = None if name == "-" else Path(name)
        default = "import_usage.refused.csv" if path is None else f"{name}.refused.csv"
        summary = ImportSummary()
        with ExitStack() as stack:
            try:
                file = sys.stdin.buffer if path is None else stack.enter_context(path.open("rb"))
                source = ImportSource(file, kind=options["format"])
            except OSError as error:
                raise CommandError(f"{name} cannot be read: {error.strerror}") from None
            except Invalid as error:
                raise CommandError(f"{error.detail} Nothing was recorded.") from None
            report = _Report(Path(options["refused"] or default), of=path)
            stack.callback(report.close)
            size = None if path is None else path.stat().st_size
            bar = stack.enter_context(
                tqdm(total=size, unit="B", unit_scale=True, file=sys.stderr, disable=None)
            )

            def show() -> None:
                bar.update(source.position - bar.n)
                elapsed = bar.format_dict["elapsed"] or 1
                bar.set_postfix_str(f"{summary.lines / elapsed:,.0f} records/s")

            broken = ""
            try:
                import_usage(source, summary, refused=report.add, progress=show)
                broken = summary.cut_short
            except DatabaseError as error:
                broken = f"The database failed: {str(error).strip()}"
            except OSError as error:
                broken = f"The report of refusals cannot be written: {error.strerror}"
            except KeyboardInterrupt:
                broken = "Stopped"
            report.is_clean = not broken
        self.stdout.write(
            f"{summary.lines} lines: {summary.accepted} recorded, {summary.duplicates} known"
            f" before, {summary.refused} refused"
        )
        if summary.refused and report.is_complete:
            self.stderr.write(f"the refused lines are in {report.path}")
        if broken:
            raise CommandError(
                f"{broken.rstrip('.')}. What is counted above is recorded; nothing after it is."
                " Running it again counts nothing twice.",
                returncode=1,
            )
        if summary.refused:
            raise CommandError(f"{summary.refused} lines were not recorded", returncode=1)


class _Report:
    """The refused lines as CSV, in place of the report of an earlier run; none when there is none.

    Written beside it and put in its place at the end, so that it is there whole or not at all.
    """

    def __init__(self, path: Path, *, of: Path | None) -> None:
        """Raises `CommandError`, before anything is recorded, where it cannot be written."""
        self.path = path
        self.is_clean = False
        self.is_complete = False
        if of is not None and path.exists() and path.samefile(of):
            raise CommandError(f"{path} is the file to import; name another one for --refused.")
        # A device or a pipe is written to, never replaced.
        self._is_file = path.is_file() or not path.exists()
        self._written = path.with_name(f"{path.name}.partial") if self._is_file else path
        try:
            self._file = self._written.open("w", newline="", encoding="utf-8")
        except OSError as error:
            raise CommandError(
                f"The report of refusals cannot be written to {path}: {error.strerror}."
                " Nothing was recorded."
            ) from None
        self._writer = csv.writer(self._file)
        self._writer.writerow(REPORT_COLUMNS)
        self._rows = 0

    def add(self, refusal: Refusal) -> None:
        line, code, field, detail, text = astuple(refusal)
        # What a spreadsheet would take for a formula is no JSON, and stays none with a space.
        self._writer.writerow((line, code, field, detail, text if text[:1] == "{" else f" {text}"))
        self._rows += 1

    def close(self) -> None:
        try:
            self._file.close()
            if self._is_file and self._rows:
                self._written.replace(self.path)
            elif self._is_file:
                self._written.unlink()
                if self.is_clean:
                    self.path.unlink(missing_ok=True)
            self.is_complete = True
        except OSError as error:
            sys.stderr.write(f"{self.path} is not complete: {error.strerror}\n")
