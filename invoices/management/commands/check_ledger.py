from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from billing.services.arguments import uuid
from invoices.services.ledger import invoice_differences
from usage.services.ledger import usage_differences


class Command(BaseCommand):
    help = "Compare records, rollups, counters, periods, invoices and items; name every difference."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--workspace", type=uuid, metavar="UUID", help="only this one")
        parser.add_argument(
            "--stripe", action="store_true", help="also compare recent invoices with Stripe"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        workspace_id = options["workspace"]
        found: Sequence[object] = [
            *usage_differences(workspace_id=workspace_id),
            *invoice_differences(workspace_id=workspace_id),
        ]
        for difference in found:
            self.stdout.write(str(difference))
        if found:
            raise CommandError(f"{len(found)} differences", returncode=1)
        self.stdout.write("everything agrees")
