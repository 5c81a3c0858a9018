"""Command that imports a file of usage records."""

import csv
import sys
from contextlib import ExitStack
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from billing.errors import Invalid
from usage.services.importing import ImportSummary, Refusal, Source, import_usage


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
            help="where lines that were not recorded are told of (default: FILE.refused.csv)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        name: str = options["file"]
        report = Path(options["refused"] or ("" if name == "-" else name) + ".refused.csv")
        if name == "-" and not options["refused"]:
            report = Path("import_usage.refused.csv")
        with ExitStack() as stack:
            try:
                file = (
                    sys.stdin.buffer if name == "-" else stack.enter_context(Path(name).open("rb"))
                )
                source = Source(file, kind=options["format"])
            except OSError as error:
                raise CommandError(f"{name} cannot be read: {error.strerror}") from None
            except Invalid as error:
                raise CommandError(error.detail) from None
            size = None if name == "-" else Path(name).stat().st_size
            bar = stack.enter_context(
                tqdm(total=size, unit="B", unit_scale=True, file=sys.stderr, disable=None)
            )
            refusals = _Report(report, stack)

            def show(summary: ImportSummary) -> None:
                bar.update(source.position - bar.n)
                elapsed = bar.format_dict["elapsed"] or 1
                bar.set_postfix_str(f"{summary.lines / elapsed:,.0f} records/s")

            try:
                summary = import_usage(source, refused=refusals.add, progress=show)
            except Invalid as error:
                raise CommandError(f"{error.detail} What came before it is recorded.") from None
        self.stdout.write(
            f"{summary.lines} lines: {summary.accepted} recorded, {summary.duplicates} known"
            f" before, {summary.refused} refused"
        )
        if summary.refused:
            raise CommandError(f"the refused lines are in {report}", returncode=1)


class _Report:
    """The refused lines as CSV; the file is made when there is one."""

    def __init__(self, path: Path, stack: ExitStack) -> None:
        self._path = path
        self._stack = stack
        self._writer: Any = None

    def add(self, refusal: Refusal) -> None:
        if self._writer is None:
            file = self._stack.enter_context(self._path.open("w", newline="", encoding="utf-8"))
            self._writer = csv.writer(file)
            self._writer.writerow([field.name for field in fields(Refusal)])
        self._writer.writerow(astuple(refusal))
