"""`manage.py register_stripe_webhook`: have Stripe send its events to this site."""

import datetime as dt
import getpass
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone as clock

from billing.errors import BillingError
from billing.stripe_accounts import DEFAULT, AccountName, configured_accounts
from invoices.payments.webhooks import registration
from invoices.payments.webhooks.addresses import account_in


class Command(BaseCommand):
    help = (
        "Create or update the webhook endpoint of each Stripe account and keep its signing secret. "
        "Running it again changes nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--url", default=settings.SITE_URL, help="This site's address (default: SITE_URL)."
        )
        parser.add_argument(
            "--account",
            choices=configured_accounts(),
            help="One of several Stripe accounts (default: all; of the other options, default).",
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
        failed = []
        for account in _accounts(options):
            try:
                done = _do(account, options, now)
            except BillingError as error:
                # The other accounts' events are wanted all the same.
                failed.append(error.detail)
            else:
                if options["verbosity"]:
                    self.stdout.write(f"Webhook endpoint {done.what}: {done.url}")
        if failed:
            raise CommandError(" ".join(failed))


def _accounts(options: dict[str, Any]) -> list[AccountName]:
    if options["account"]:
        return [options["account"]]
    if named := account_in(options["url"]):
        return [named]
    if options["rotate"] or options["rolled_secret"]:
        return [DEFAULT]
    return configured_accounts()


def _do(
    account: AccountName, options: dict[str, Any], now: dt.datetime
) -> registration.EndpointRegistration:
    url = options["url"]
    if options["rolled_secret"]:
        return registration.take_rolled_secret(
            url=url, secret=_read_secret(), account=account, now=now
        )
    return registration.register(url=url, account=account, now=now, rotate=options["rotate"])


def _read_secret() -> str:
    """Never an argument, which other users of the machine and the shell's history would see."""
    if sys.stdin.isatty():
        return getpass.getpass("New signing secret: ").strip()
    return sys.stdin.readline().strip()
