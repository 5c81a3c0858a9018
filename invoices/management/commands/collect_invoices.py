"""`manage.py collect_invoices`: take every step of collection that is due."""

import datetime as dt
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone as clock
from django.utils.dateparse import parse_datetime

from invoices.services import collection


class Command(BaseCommand):
    help = "Remind of unpaid invoices, mark what is overdue, suspend after the grace."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--now", type=_time, help="As of this time, ISO 8601 with an offset.")

    def handle(self, *args: Any, **options: Any) -> None:
        summary = collection.collect(now=options["now"] or clock.now())
        self.stdout.write(
            f"Reminded {summary.reminded}, overdue {summary.overdue}, "
            f"suspended {summary.suspended}, failed {len(summary.failed)}."
        )
        if summary.failed:
            failures = "; ".join(f"{invoice}: {reason}" for invoice, reason in summary.failed)
            raise CommandError(failures)


def _time(text: str) -> dt.datetime:
    try:
        moment = parse_datetime(text)
    except ValueError as error:
        raise CommandError(f"--now: {error}") from None
    if moment is None or moment.tzinfo is None:
        raise CommandError("--now must be a time with an offset, as 2026-11-30T09:00:00Z.")
    return moment
