"""Costs in force: what a unit costs the platform on a day, and what its currency is worth.

A workspace's own row of the cost card comes before everybody's; among each the most specific wins:
type and model, type, any use of the provider.
"""

import bisect
import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from django.db.models import F, Q, QuerySet

from billing.models import ExchangeRate, ProviderCost
from billing.money import without_exponent
from billing.months import holds_on

# A rate holds over a week without a newer one, as over holidays, and then no longer.
MAX_RATE_AGE = dt.timedelta(days=7)
_MAX_REMEMBERED = 10_000


class CostInForce(NamedTuple):
    """A row of the cost card; `text` is its unit cost."""

    cost_id: UUID
    currency: str
    unit_cost: Decimal
    text: str


# Workspace (32 hex digits, or empty for everybody's), provider, resource type and model.
_Use = tuple[str, str, str, str]


class CostBook:
    """The cost card and the exchange rates, as they were read; `rates` by their days."""

    def __init__(self, costs: Iterable[ProviderCost], rates: Iterable[ExchangeRate]) -> None:
        self._costs: dict[_Use, list[tuple[dt.date, dt.date | None, CostInForce]]] = {}
        self._with_own: set[str] = set()
        for cost in costs:
            owner = cost.workspace_id.hex if cost.workspace_id else ""
            self._with_own.add(owner)
            in_force = CostInForce(
                cost.pk, cost.currency, cost.unit_cost, without_exponent(cost.unit_cost)
            )
            use = (owner, cost.provider, cost.resource_type, cost.model)
            self._costs.setdefault(use, []).append((cost.starts_on, cost.ends_on, in_force))
        self._rates: dict[tuple[str, str], tuple[list[dt.date], list[Decimal]]] = defaultdict(
            lambda: ([], [])
        )
        for rate in rates:
            days, values = self._rates[rate.from_currency, rate.to_currency]
            days.append(rate.day)
            values.append(rate.rate)
        self._found: dict[tuple[str, str, str, str, str], CostInForce | None] = {}
        self._exchanged: dict[tuple[str, str, str], Decimal | None] = {}

    def cost_for(
        self, workspace: str, usage_date: str, resource_type: str, provider: str, model: str = ""
    ) -> CostInForce | None:
        """What a unit costs on a day (`2026-11-30`); `workspace` has 32 hex digits."""
        owner = workspace if workspace in self._with_own else ""
        key = (owner, usage_date, resource_type, provider, model)
        try:
            return self._found[key]
        except KeyError:
            pass
        if len(self._found) > _MAX_REMEMBERED:
            self._found.clear()
        found = self._found[key] = self._find(*key)
        return found

    def _find(
        self, owner: str, usage_date: str, resource_type: str, provider: str, model: str
    ) -> CostInForce | None:
        day = dt.date.fromisoformat(usage_date)
        for whose in dict.fromkeys((owner, "")):
            for of_type, of_model in ((resource_type, model), (resource_type, ""), ("", "")):
                for starts_on, ends_on, cost in self._costs.get(
                    (whose, provider, of_type, of_model), ()
                ):
                    if holds_on(day, starts_on, ends_on):
                        return cost
        return None

    def exchange_rate(self, currency: str, into: str, usage_date: str) -> Decimal | None:
        """What one unit of `currency` is worth on a day: the day's rate, or the latest one of the
        week before."""
        key = (currency, into, usage_date)
        try:
            return self._exchanged[key]
        except KeyError:
            pass
        if len(self._exchanged) > _MAX_REMEMBERED:
            self._exchanged.clear()
        found = self._exchanged[key] = self._rate_on(
            currency, into, dt.date.fromisoformat(usage_date)
        )
        return found

    def _rate_on(self, currency: str, into: str, day: dt.date) -> Decimal | None:
        days, values = self._rates.get((currency, into), ([], []))
        place = bisect.bisect_right(days, day) - 1
        if place < 0 or day - days[place] > MAX_RATE_AGE:
            return None
        return values[place]


def read_cost_book() -> CostBook | None:
    """The cost card and all exchange rates in two queries; None where there is neither."""
    costs, rates = list(costs_in_use()), list(ExchangeRate.objects.order_by("day"))
    return CostBook(costs, rates) if costs or rates else None


def costs_in_use() -> "QuerySet[ProviderCost]":
    """Those that hold on some day; a cost that was taken back holds on none."""
    return ProviderCost.objects.filter(Q(ends_on__isnull=True) | Q(ends_on__gt=F("starts_on")))
