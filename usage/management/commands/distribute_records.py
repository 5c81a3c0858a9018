"""Command that distributes the table of usage records over the servers of a Citus cluster."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from usage.services.distribution import CannotDistribute, distribute_records, missing
from usage.services.ledger import usage_differences


class Command(BaseCommand):
    help = (
        "Distribute usage records by workspace over the workers of a Citus cluster, and prove the"
        " sums afterwards. Stop web and workers meanwhile, and start them again after it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--shards", type=int, default=32, help="how many (default: 32)")
        parser.add_argument(
            "--check", action="store_true", help="say what is missing, and change nothing"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["check"]:
            for fault in (faults := list(missing())):
                self.stderr.write(fault)
            if faults:
                raise CommandError("records cannot be distributed here", returncode=1)
            self.stdout.write("records can be distributed here")
            return
        try:
            changed = distribute_records(shards=options["shards"])
        except CannotDistribute as error:
            raise CommandError(str(error), returncode=1) from error
        self.stdout.write(
            "usage records are distributed; the guard against raw SQL in closed periods is gone"
            if changed
            else "usage records are distributed already"
        )
        for difference in (differences := usage_differences()):
            self.stderr.write(str(difference))
        if differences:
            raise CommandError("records and sums differ", returncode=1)
