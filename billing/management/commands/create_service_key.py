"""Command that makes a service key and prints it once."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone as clock

from billing.errors import BillingError
from billing.models import SCOPES
from billing.services.arguments import aware_time, uuid
from billing.services.keys import create_key


class Command(BaseCommand):
    help = "Make a service key for the API and print it, once, alone on the last line."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="What the key is for, as shown in the admin.")
        parser.add_argument(
            "--scope",
            action="append",
            required=True,
            choices=SCOPES,
            dest="scopes",
            metavar="SCOPE",
            help=f"What it may do; repeat for more. One of {', '.join(SCOPES)}.",
        )
        parser.add_argument(
            "--workspace", type=uuid, help="The only workspace it may see. Default: every one."
        )
        parser.add_argument(
            "--expires", type=aware_time, help="ISO 8601 time with an offset. Default: never."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            key, secret = create_key(
                name=options["name"],
                scopes=list(dict.fromkeys(options["scopes"])),
                workspace_id=options["workspace"],
                expires_at=options["expires"],
                now=clock.now(),
            )
        except BillingError as error:
            raise CommandError(error.detail) from error
        self.stdout.write(f"Key {key.prefix}: {', '.join(key.scopes)}. It is shown only now:")
        self.stdout.write(secret)
