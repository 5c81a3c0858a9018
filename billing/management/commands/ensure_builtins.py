"""Command that creates built-in tiers, prices, tax rates and groups where they are missing."""

from typing import Any

from django.core.management.base import BaseCommand

from billing.services.builtins import ensure_builtins
from billing.services.staff import ensure_staff_groups
from billing.services.tax_rates import ensure_tax_rates


class Command(BaseCommand):
    help = (
        "Create the built-in tiers, prices, settings, tax rates and groups of staff where missing."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        ensure_builtins()
        ensure_tax_rates()
        ensure_staff_groups()
