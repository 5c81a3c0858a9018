"""The cost card and exchange rates for tests."""

import datetime as dt
from decimal import Decimal
from typing import Any

from billing.models import ExchangeRate, ProviderCost
from billing.services.exchange_rates import NewExchangeRate, set_exchange_rates
from billing.services.provider_costs import NewCost, set_costs
from tests.kit.personas import NOW


def cost(
    unit_cost: str,
    *use: str,
    currency: str = "USD",
    day: dt.date | None = None,
    now: dt.datetime = NOW,
    **facts: Any,
) -> ProviderCost:
    """What a unit costs from `day` on (default: the day of `now`); `use` is a provider, a resource
    type and a model, as far as they are named."""
    provider, resource_type, model = (*use, "", "", "")[:3]
    new = NewCost(
        provider or "twilio",
        Decimal(unit_cost),
        currency,
        day or now.date(),
        resource_type,
        model,
        **facts,
    )
    return set_costs(costs=[new], now=now).costs[0]


def exchange_rate(
    rate: str,
    *,
    currency: str = "EUR",
    into: str = "USD",
    day: dt.date | None = None,
    now: dt.datetime = NOW,
) -> ExchangeRate:
    """What one unit of `currency` is worth on `day` (default: the day of `now`)."""
    new = NewExchangeRate(currency, into, day or now.date(), Decimal(rate))
    return set_exchange_rates(rates=[new], now=now)[0]
