import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone as clock
from tqdm import tqdm

from billing.clocks import doubt
from billing.services.arguments import as_of, confirm_future, uuid
from invoices.services.closing import finalize_due_periods
from invoices.services.trial_close import trial_close


class Command(BaseCommand):
    help = "Finalize every billing period that has ended, and whose grace has passed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--now",
            type=as_of,
            metavar="ISO-TIME",
            help="as of this time, with an offset (default: the clock's)",
        )
        parser.add_argument("--workspace", type=uuid, metavar="UUID", help="only this one")

    def handle(self, *args: Any, **options: Any) -> None:
        now = options["now"] or clock.now()
        if options["now"] is None and (wrong := doubt()):
            raise CommandError(f"{wrong} Or say --now.")
        confirm_future(now, "Close the months that will have ended")
        if settings.CLOSE_NEEDS_APPROVAL:
            tried = trial_close(now=now, workspace_id=options["workspace"])
            self.stdout.write(f"{tried.tried} periods tried, {tried.waiting} wait for approval")
        with tqdm(unit=" periods", file=sys.stderr, disable=None, leave=False) as bar:

            def show(done: int, known: int) -> None:
                bar.total = known
                bar.update(done - bar.n)

            summary = finalize_due_periods(
                now=now,
                workspace_id=options["workspace"],
                progress=show,
            )
        self.stdout.write(
            f"{summary.finalized} periods finalized, {summary.invoiced} invoices,"
            f" {len(summary.failed)} failed"
        )
        for failure in summary.failed:
            self.stderr.write(
                f"period {failure.period_id} of workspace {failure.workspace_id}: {failure.reason}"
            )
        if summary.failed:
            raise CommandError("some periods could not be finalized", returncode=1)
