"""Command that writes a backup of the whole database."""

import argparse
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone as clock

from billing.services.backups import BackupFailed, Manifest, back_up


def _at_least_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not 1 or more")
    return int(text)


class Command(BaseCommand):
    help = "Write a backup of the database, with a manifest that a restore is compared with."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("directory", type=Path)
        parser.add_argument(
            "--keep",
            type=_at_least_one,
            metavar="N",
            help="delete older backups in the directory, but for the latest N",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            file = back_up(options["directory"], now=clock.now(), keep=options["keep"])
        except BackupFailed as error:
            raise CommandError(str(error)) from error
        rows = Manifest.beside(file).rows
        self.stdout.write(f"{file}: {rows:,} rows, {file.stat().st_size:,} bytes")
