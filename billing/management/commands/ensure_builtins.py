from typing import Any

from django.core.management.base import BaseCommand

from billing.services.builtins import ensure_builtins


class Command(BaseCommand):
    help = "Create the built-in tiers, prices and platform settings that are missing."

    def handle(self, *args: Any, **options: Any) -> None:
        ensure_builtins()
