"""Command that recomputes rollups and prices of calls from the records."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from billing.models import Workspace
from billing.services.arguments import uuid
from usage.services.call_prices import rebuild_call_prices
from usage.services.ledger import rebuild_rollups


class Command(BaseCommand):
    help = "Compare rollups and counters with the records and recompute those that differ."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--workspace", type=uuid, metavar="UUID", help="only this one")

    def handle(self, *args: Any, **options: Any) -> None:
        mended = rebuild_rollups(workspace_id=options["workspace"])
        self.stdout.write(f"{mended} rebuilt" if mended else "rollups agree with the records")
        chosen = Workspace.objects.order_by("pk").values_list("pk", flat=True)
        if options["workspace"]:
            chosen = chosen.filter(pk=options["workspace"])
        calls = sum(rebuild_call_prices(workspace_id=each) for each in chosen)
        if calls:
            self.stdout.write(f"{calls} calls priced anew")
