"""Command that takes a lost second factor away, where no other superuser can."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone as clock

from billing.models import User
from billing.services import second_factor
from billing.text import same_address


class Command(BaseCommand):
    help = "Take a person's second factor away and sign them out: they set up another one."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")

    def handle(self, *args: Any, email: str, **options: Any) -> None:
        person = User.objects.filter(email__iexact=same_address(email)).first()
        if person is None:
            raise CommandError(f"There is nobody with the address {email}.")
        second_factor.reset(user=person, by=None, now=clock.now())
        self.stdout.write(f"The second factor of {person.email} is reset.")
