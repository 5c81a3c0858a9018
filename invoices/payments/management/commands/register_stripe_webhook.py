"""`manage.py register_stripe_webhook`: have Stripe send its events to this site."""

import getpass
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone as clock

from billing.errors import BillingError
from invoices.payments.webhooks import registration


class Command(BaseCommand):
    help = (
        "Create or update the webhook endpoint in Stripe and keep its signing secret. "
        "Running it again changes nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--url", default=settings.SITE_URL, help="This site's address (default: SITE_URL)."
        )
        how = parser.add_mutually_exclusive_group()
        how.add_argument(
            "--rotate",
            action="store_true",
            help="Replace the endpoint for a new secret; the old one is accepted for a day.",
        )
        how.add_argument(
            "--rolled-secret",
            action="store_true",
            help="The secret was rolled in Stripe's dashboard: read the new one from the input.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        now = clock.now()
        try:
            if options["rolled_secret"]:
                done = registration.take_rolled_secret(
                    url=options["url"], secret=_read_secret(), now=now
                )
            else:
                done = registration.register(url=options["url"], now=now, rotate=options["rotate"])
        except BillingError as error:
            raise CommandError(error.detail) from error
        if options["verbosity"]:
            self.stdout.write(f"Webhook endpoint {done.what}: {done.url}")


def _read_secret() -> str:
    """Never an argument, which other users of the machine and the shell's history would see."""
    if sys.stdin.isatty():
        return getpass.getpass("New signing secret: ").strip()
    return sys.stdin.readline().strip()
