"""Command that divides the table of usage records by workspace."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from billing.errors import BillingError
from usage.services import partitioning


class Command(BaseCommand):
    help = (
        "Divide the table of usage records into hash partitions by workspace, while usage goes on."
        " Killed or stopped, it goes on where it was when it is started again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--parts", type=int, default=16, help="how many (default: 16)")
        parser.add_argument(
            "--keep", action="store_true", help="keep the old table, as usage_usagerecord_before"
        )
        parser.add_argument(
            "--forget", action="store_true", help="give up a run that has begun, and change nothing"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self.stdout.write(self._forget() if options["forget"] else self._partition(options))
        except BillingError as error:
            raise CommandError(error.detail, returncode=1) from error

    def _forget(self) -> str:
        begun = partitioning.forget_partitioning()
        return "the run is given up" if begun else "no run has begun"

    def _partition(self, options: dict[str, Any]) -> str:
        with tqdm(unit=" blocks", file=sys.stderr, disable=None, leave=False) as bar:

            def show(done: int, blocks: int) -> None:
                bar.total = blocks
                bar.update(done - bar.n)

            changed = partitioning.partition_records(
                parts=options["parts"], progress=show, keep_old=options["keep"]
            )
        if not changed:
            return f"usage records have {options['parts']} partitions already"
        return f"usage records are in {options['parts']} partitions"
