"""The rows that every installation begins with: the command `ensure_builtins`."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.db.models import Model

from billing.models import PlatformSetting, SubscriptionTier, TaxRate, TierPrice

pytestmark = pytest.mark.django_db
_MODELS: tuple[type[Model], ...] = (TierPrice, SubscriptionTier, PlatformSetting, TaxRate, Group)


def rows() -> dict[str, set[tuple[Any, ...]]]:
    """What there is, by model, whatever its number."""
    facts: dict[type[Model], Callable[[Any], tuple[Any, ...]]] = {
        SubscriptionTier: lambda tier: (tier.name, tier.description),
        TierPrice: lambda price: (price.tier.name, price.currency, price.fee),
        PlatformSetting: lambda setting: (setting.name, setting.value),
        TaxRate: lambda rate: (rate.country, rate.region, rate.tax_class, rate.starts_on),
        Group: lambda group: (group.name, *sorted(group.permissions.values_list("pk", flat=True))),
    }
    return {
        model.__name__: {fact(row) for row in model._default_manager.all()}
        for model, fact in facts.items()
    }


def test_a_new_installation_begins_with_them() -> None:
    before = rows()
    for model in _MODELS:
        model._default_manager.all().delete()
    assert not any(rows().values())

    call_command("ensure_builtins")

    assert rows() == before
    assert {name for name, *_ in before["SubscriptionTier"]} == {"free", "starter", "pro"}
    assert {name for name, *_ in before["Group"]} >= {"finance", "finance-read-only", "support"}
    assert ("DE", "", "standard") in {rate[:3] for rate in before["TaxRate"]}


def test_what_finance_has_changed_stays() -> None:
    SubscriptionTier.objects.filter(name="pro").update(description="For our largest customers")
    TierPrice.objects.filter(tier__name="starter", currency="USD").update(fee=59)
    PlatformSetting.objects.filter(name=PlatformSetting.MARKUP).update(value=35)
    changed = rows()

    call_command("ensure_builtins")

    assert rows() == changed


@pytest.mark.django_db(transaction=True)
def test_after_a_test_that_commits_they_are_as_they_were() -> None:
    before = rows()
    PlatformSetting.objects.all().delete()
    SubscriptionTier.objects.filter(name="pro").update(description="Changed")
    SubscriptionTier.objects.create(name="gold")
    assert rows() != before

    # As the end of such a test does it.
    call_command("flush", interactive=False, verbosity=0, reset_sequences=False)

    assert rows() == before
