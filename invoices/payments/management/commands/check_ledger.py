from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone as clock

from billing.services.arguments import uuid
from invoices.payments.models import Difference
from invoices.payments.services.reconciliation import reconcile
from invoices.payments.services.stripe_errors import StripeFailure
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
            *(_stripe_differences(workspace_id) if options["stripe"] else ()),
        ]
        for difference in found:
            self.stdout.write(str(difference))
        if found:
            raise CommandError(f"{len(found)} differences", returncode=1)
        self.stdout.write("everything agrees")


def _stripe_differences(workspace_id: UUID | None) -> list[Difference]:
    """What is left after taking over what Stripe knows better; all invoices are compared."""
    try:
        left = reconcile(now=clock.now())
    except StripeFailure as error:
        raise CommandError(f"Stripe cannot be compared with: {error.detail}") from error
    if workspace_id is None:
        return left
    return [
        difference
        for difference in left
        if difference.invoice is not None and difference.invoice.workspace_id == workspace_id
    ]
