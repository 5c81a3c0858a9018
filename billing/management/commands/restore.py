"""Command that fills an empty database from a backup."""

import argparse
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from billing.services.backups import BackupFailed, restore


def _jobs(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 64:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number between 1 and 64")
    return int(text)


class Command(BaseCommand):
    help = "Fill the empty database that the settings name from a backup."
    # Their subject, the tables, is not there yet.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--jobs",
            type=_jobs,
            default=1,
            metavar="N",
            help="so many connections at once: faster, but what fails leaves a part behind",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            manifest = restore(options["file"], jobs=options["jobs"])
        except BackupFailed as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"{manifest.rows:,} rows in {len(manifest.tables)} tables, as of {manifest.taken_at}.\n"
            "Now: migrate, check_ledger --stripe, verify_ledger."
        )
