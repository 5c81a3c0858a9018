"""Command that takes what names people out of a workspace that is over."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone as clock

from billing.errors import BillingError
from billing.services.arguments import uuid
from billing.stripe_accounts import DEFAULT
from invoices.payments.services.erasure import erase_workspace


class Command(BaseCommand):
    help = "Erase who was behind a closed workspace; amounts, records and seals stay."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("workspace", type=uuid, metavar="UUID")

    def handle(self, *args: Any, **options: Any) -> None:
        workspace_id = options["workspace"]
        if sys.stdin.isatty():
            answer = input(f"Erase {workspace_id}? It cannot be undone. [y/N] ")
            if answer.strip().lower() not in ("y", "yes"):
                raise CommandError("nothing was done", returncode=1)
        try:
            erased = erase_workspace(workspace_id=workspace_id, now=clock.now())
        except BillingError as error:
            raise CommandError(error.detail) from error
        self.stdout.write(
            f"{erased.people} people, {erased.emails} e-mails, {erased.entries} entries of the log"
            f" of changes and the addresses of {erased.invoices} invoices are erased."
        )
        if erased.kept:
            self.stdout.write(
                f"{erased.kept} invoices keep their address until {erased.kept_until}"
                " (INVOICE_KEEP_YEARS): erase again then."
            )
        for customer, account in erased.stripe_customers:
            where = "Stripe" if account == DEFAULT else f"the Stripe account {account}"
            self.stdout.write(f"Now delete customer {customer} in {where}.")
