"""Built-in rows of every installation: tiers and their prices, the platform's settings."""

from decimal import Decimal

from django.db import transaction

from billing.models import PlatformSetting, SubscriptionTier, TierPrice

DEFAULT_MARKUP = Decimal(20)
_TIERS = {
    "free": ("Pay for what you use", {"USD": "0", "EUR": "0", "GBP": "0", "JPY": "0"}),
    "starter": (
        "For teams with their first agents",
        {"USD": "49.00", "EUR": "49.00", "GBP": "49.00", "JPY": "7000"},
    ),
    "pro": (
        "For agents in production",
        {"USD": "199.00", "EUR": "199.00", "GBP": "199.00", "JPY": "29000"},
    ),
}


def ensure_builtins() -> None:
    """Create what is missing; what finance has changed since stays as it is."""
    with transaction.atomic():
        for name, (description, fees) in _TIERS.items():
            tier, _ = SubscriptionTier.objects.get_or_create(
                name=name, defaults={"description": description}
            )
            for currency, fee in fees.items():
                TierPrice.objects.get_or_create(
                    tier=tier, currency=currency, defaults={"fee": Decimal(fee)}
                )
        PlatformSetting.objects.get_or_create(
            name=PlatformSetting.MARKUP, defaults={"value": DEFAULT_MARKUP}
        )
        PlatformSetting.objects.get_or_create(
            name=PlatformSetting.OWNERS_SEE_COST, defaults={"value": 0}
        )
