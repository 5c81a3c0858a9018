import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone as clock

from billing.models import BillingPeriod, Workspace
from billing.services.arguments import uuid
from invoices.payments.services import proof
from invoices.payments.services.reconciliation import reconcile
from invoices.payments.services.stripe_errors import StripeFailure
from usage.services.ledger import Scope


class Command(BaseCommand):
    help = "Prove each step from usage records to payments; name every difference, exit 1 on any."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--workspace", type=uuid, metavar="UUID", help="only this one")
        parser.add_argument("--period", type=uuid, metavar="UUID", help="only this billing period")
        parser.add_argument(
            "--step",
            action="append",
            choices=[step.name for step in proof.STEPS],
            metavar="NAME",
            help=f"only this step; again for more: {', '.join(s.name for s in proof.STEPS)}",
        )
        parser.add_argument(
            "--stripe",
            action="store_true",
            help="also compare with Stripe anew, and take over what it knows better",
        )
        parser.add_argument("--json", action="store_true", help="the whole report, for machines")

    def handle(self, *args: Any, **options: Any) -> None:
        scope = _scope(options)
        if options["stripe"]:
            try:
                reconcile(now=clock.now())
            except StripeFailure as error:
                raise CommandError(f"Stripe cannot be compared with: {error.detail}") from error
        chosen = [s for s in proof.STEPS if not options["step"] or s.name in options["step"]]
        found = proof.prove(scope, now=clock.now(), steps=chosen)
        if options["json"]:
            json.dump(proof.proof_as_json(found), self.stdout)
            self.stdout.write("")
        else:
            self._say(found)
        if not found.passed:
            count = found.count
            raise CommandError(f"{count} difference{'' if count == 1 else 's'}", returncode=1)

    def _say(self, found: proof.Proof) -> None:
        for result in found.results:
            state = "pass" if result.passed else "FAIL"
            self.stdout.write(f"{state}  {result.step.title}: {result.step.proves}")
            for difference in result.found:
                self.stdout.write(f"      {difference}")
            if result.count > len(result.found):
                self.stdout.write(f"      and {result.count - len(result.found)} more")
        if found.passed:
            self.stdout.write("everything agrees")


def _scope(options: dict[str, Any]) -> Scope:
    workspace_id, period_id = options["workspace"], options["period"]
    if workspace_id is not None and not Workspace.objects.filter(pk=workspace_id).exists():
        raise CommandError(f"There is no workspace {workspace_id}.")
    if period_id is None:
        return Scope(workspace_id)
    period = BillingPeriod.objects.select_related("workspace").filter(pk=period_id).first()
    if period is None or workspace_id not in (None, period.workspace_id):
        raise CommandError(f"There is no billing period {period_id} in it.")
    return Scope.of_period(period)
