"""Command that writes everything that is kept of a workspace to files."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from billing.models import Workspace
from billing.services.arguments import uuid
from billing.services.workspace_export import export_workspace


class Command(BaseCommand):
    help = "Write everything that is kept of a workspace: a file of JSON lines for each table."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("workspace", type=uuid, metavar="UUID")
        parser.add_argument("directory", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        workspace_id, directory = options["workspace"], options["directory"]
        if not Workspace.objects.filter(pk=workspace_id).exists():
            raise CommandError(f"There is no workspace {workspace_id}.")
        try:
            written = export_workspace(workspace_id=workspace_id, directory=directory)
        except OSError as error:
            raise CommandError(f"{directory} cannot be written: {error.strerror}") from error
        for name, count in written.items():
            self.stdout.write(f"{name}: {count}")
