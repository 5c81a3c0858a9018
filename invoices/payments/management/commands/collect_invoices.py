from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone as clock

from billing.services.arguments import as_of, confirm_future
from invoices.payments.services import collection


class Command(BaseCommand):
    help = "Remind of unpaid invoices, mark what is overdue, suspend after the grace."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--now",
            type=as_of,
            metavar="ISO-TIME",
            help="as of this time, with an offset (default: the clock's)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        now = options["now"] or clock.now()
        confirm_future(now, "Remind of what will be unpaid, and suspend who owes it,")
        summary = collection.collect(now=now)
        self.stdout.write(
            f"{summary.charged} charged again, {summary.reminded} reminded,"
            f" {summary.overdue} overdue, {summary.suspended} suspended,"
            f" {len(summary.failed)} failed"
        )
        for invoice_id, reason in summary.failed:
            self.stderr.write(f"invoice {invoice_id}: {reason}")
        if summary.failed:
            raise CommandError("some invoices could not be collected", returncode=1)
