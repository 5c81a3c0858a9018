"""Amounts as they are shown, in smallest units, so that parts add up to the whole above them.

Rounding each amount by itself makes a headline of 371.91 over a breakdown of 371.90. Here the
total is rounded once, as on the invoice, and each breakdown shares it out by largest remainder.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cached_property
from typing import TypeVar

from analytics.queries import PeriodTotals, Spend
from billing.money import ZERO, allocate, apportion, from_minor
from usage.resources import LABELS

_K = TypeVar("_K")
# A part of a breakdown that is no type, provider, agent or model, all of which are in small
# letters: what prices add to the sum of the records.
ADJUSTMENTS = "Adjustments"
_ORDER = {name: place for place, name in enumerate(LABELS)}


class ShownAmounts:
    """One period's amounts, rounded together: fees, usage by type, discounts, and their total."""

    def __init__(self, spend: Spend, totals: PeriodTotals, currency: str) -> None:
        self.currency = currency
        self._spend = spend
        self._usage = totals.usage
        exact = dict(
            sorted(spend.by_type.items(), key=lambda item: (_ORDER.get(item[0], 9), item[0]))
        )
        if difference := totals.usage - spend.total:
            exact[ADJUSTMENTS] = difference
        # In the order of an invoice's lines, so that a tie falls as it does there.
        fee, add_ons, *types, discounts, shortfall, manual, credit, reversals = (
            from_minor(minor, currency)
            for minor in allocate(
                [
                    totals.fee,
                    totals.add_ons,
                    *exact.values(),
                    totals.discounts,
                    totals.shortfall,
                    totals.manual,
                    totals.credit,
                    totals.reversals_credited,
                ],
                currency,
            )
        )
        self.fee, self.add_ons = fee, add_ons
        self.discounts, self.shortfall = discounts, shortfall
        self.manual, self.credit, self.reversals = manual, credit, reversals
        self.by_type: dict[str, Decimal] = dict(zip(exact, types, strict=True))
        self.usage = sum(self.by_type.values(), ZERO)
        besides = fee + add_ons + discounts + shortfall + manual
        self.total = self.usage + besides + credit + reversals
        providers: dict[str, Decimal] = dict(spend.by_provider)
        if ADJUSTMENTS in exact:
            providers[ADJUSTMENTS] = exact[ADJUSTMENTS]
        self.by_provider = self._share(providers, self.usage)

    def shared_out(self, parts: Mapping[str, Decimal]) -> dict[str, Decimal]:
        """Parts of the exact spend, as amounts that add up to `usage`."""
        exact = dict(parts)
        if ADJUSTMENTS in self.by_type:
            exact[ADJUSTMENTS] = self._usage - self._spend.total
        return self._share(exact, self.usage)

    def by_type_and_day(self, since: dt.date) -> dict[str, dict[dt.date, Decimal]]:
        """Each type's amount on each day from `since` on; what came before is `late`."""
        shown = {}
        for name, days in self._days_of_types.items():
            shown[name] = {day: amount for day, amount in days.items() if day >= since}
        return shown

    def by_day(self, days: Sequence[dt.date]) -> list[Decimal]:
        """What each of `days` cost; late usage of the time before them counts on the first.

        With tiers that is what it added to the net.
        """
        costs = dict.fromkeys(days, ZERO)
        if self._spend.meters:
            for day, amount in self._share(self._spend.net_by_day(), self.usage).items():
                if (at := max(day, days[0])) in costs:
                    costs[at] += amount
            return list(costs.values())
        for of_type in self._days_of_types.values():
            for day, amount in of_type.items():
                at = max(day, days[0])
                if at in costs:
                    costs[at] += amount
        return list(costs.values())

    def before(self, day: dt.date) -> Decimal:
        """Late usage: what days before the period's first cost."""
        return sum(
            (
                amount
                for of_type in self._days_of_types.values()
                for at, amount in of_type.items()
                if at < day
            ),
            ZERO,
        )

    @cached_property
    def _days_of_types(self) -> dict[str, dict[dt.date, Decimal]]:
        exact = self._spend.by_type_and_day()
        return {name: self._share(days, self.by_type[name]) for name, days in exact.items()}

    def _share(self, exact: Mapping[_K, Decimal], total: Decimal) -> dict[_K, Decimal]:
        shares = apportion(list(exact.values()), total, self.currency)
        return {
            name: from_minor(minor, self.currency)
            for name, minor in zip(exact, shares, strict=True)
        }
