import json
from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone as clock

from billing.models import Workspace
from billing.services.arguments import uuid
from usage.services import sealing


def _anchors(path: str) -> list[sealing.Head]:
    """Heads out of a file that `--heads` or the anchoring task wrote, a JSON object a line."""
    found = []
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ArgumentTypeError(f"{path} cannot be read: {error.strerror}") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            head = sealing.Head(UUID(row["workspace_id"]), int(row["length"]), str(row["digest"]))
        except (ValueError, KeyError, TypeError) as error:
            raise ArgumentTypeError(f"line {number} of {path} is no anchored head") from error
        found.append(head)
    return found


class Command(BaseCommand):
    help = "Compare sealed periods with their records as they are now; name what was changed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--workspace", type=uuid, metavar="UUID", help="only this one")
        parser.add_argument(
            "--anchors", type=_anchors, default=[], metavar="FILE", help="heads kept elsewhere"
        )
        parser.add_argument(
            "--heads",
            action="store_true",
            help="print the ends of all chains",
        )
        parser.add_argument(
            "--export",
            type=Path,
            metavar="DIR",
            help="write records, seals, checker",
        )
        parser.add_argument(
            "--seal-missing",
            action="store_true",
            help="seal closed periods that have no seal, however old: what was changed before is"
            " sealed with it",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        now = clock.now()
        if options["heads"]:
            for head in sealing.heads(workspace_id=options["workspace"]):
                self.stdout.write(sealing.head_line(head))
            return
        workspaces = Workspace.objects.order_by("pk").values_list("pk", flat=True)
        if options["workspace"] is not None:
            workspaces = workspaces.filter(pk=options["workspace"])
            if not workspaces:
                raise CommandError(f"There is no workspace {options['workspace']}.")
        if options["seal_missing"]:
            self._seal_missing(list(workspaces), now)
        self._export(list(workspaces), options["export"])
        self._verify(list(workspaces), options["anchors"], now)

    def _seal_missing(self, workspaces: list[UUID], now: Any) -> None:
        for period_id in sealing.unsealed_periods(workspace_ids=workspaces):
            try:
                sealing.seal_period(period_id=period_id, now=now)
            except sealing.CannotSeal as error:
                raise CommandError(f"Not sealed: {error}") from error

    def _export(self, workspaces: list[UUID], directory: Path | None) -> None:
        if directory is None:
            return
        try:
            count = sum(
                sealing.export_workspace(workspace_id=each, directory=directory)
                for each in workspaces
            )
        except OSError as error:
            raise CommandError(f"{directory} cannot be written: {error.strerror}") from error
        self.stdout.write(f"{count} seals written to {directory}, with verify_export.py")

    def _verify(self, workspaces: list[UUID], anchored: list[sealing.Head], now: Any) -> None:
        wrong = 0
        for finding in sealing.verify_chains(workspaces, now=now, anchored=anchored):
            wrong += 1
            self.stdout.write(str(finding))
        if wrong:
            raise CommandError(f"{wrong} differences", returncode=1)
        seals = sum(head.length for head in sealing.heads() if head.workspace_id in set(workspaces))
        self.stdout.write(f"{seals} seals of {len(workspaces)} workspaces are as they were made")
