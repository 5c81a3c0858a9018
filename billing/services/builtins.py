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
        SubscriptionTier.objects.bulk_create(
            [
                SubscriptionTier(name=name, description=description)
                for name, (description, _) in _TIERS.items()
            ],
            ignore_conflicts=True,
        )
        tiers = SubscriptionTier.objects.in_bulk(list(_TIERS), field_name="name")
        TierPrice.objects.bulk_create(
            [
                TierPrice(tier=tiers[name], currency=currency, fee=Decimal(fee))
                for name, (_, fees) in _TIERS.items()
                for currency, fee in fees.items()
            ],
            ignore_conflicts=True,
        )
        PlatformSetting.objects.bulk_create(
            [
                PlatformSetting(name=PlatformSetting.MARKUP, value=DEFAULT_MARKUP),
                PlatformSetting(name=PlatformSetting.OWNERS_SEE_COST, value=Decimal(0)),
            ],
            ignore_conflicts=True,
        )
