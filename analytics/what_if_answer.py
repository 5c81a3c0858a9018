"""The answer of what-if: past months as they were and as they would be, by whom and what."""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from billing.models import Workspace
from billing.money import EXACT, ZERO


class Sold(NamedTuple):
    """One sum of records: what is paid for it and what it costs, now and then."""

    workspace_id: UUID
    resource_type: str
    provider: str
    records: int
    now: tuple[Decimal, Decimal]
    then: tuple[Decimal, Decimal]


@dataclass
class Side:
    """What was sold and what it cost."""

    revenue: Decimal = ZERO
    cost: Decimal = ZERO

    def add(self, revenue: Decimal, cost: Decimal) -> None:
        self.revenue = EXACT.add(self.revenue, revenue)
        self.cost = EXACT.add(self.cost, cost)

    @property
    def margin(self) -> Decimal:
        return self.revenue - self.cost

    @property
    def share(self) -> Decimal | None:
        return self.margin / self.revenue if self.revenue else None


@dataclass
class Compared:
    """One workspace, type or provider as it was and as it would be."""

    name: str
    workspace_id: UUID | None = None
    now: Side = field(default_factory=Side)
    then: Side = field(default_factory=Side)

    @property
    def difference(self) -> Decimal:
        """What is paid more (or, below zero, less)."""
        return self.then.revenue - self.now.revenue


@dataclass
class WhatIf:
    as_of: dt.datetime
    currency: str
    total: Compared
    by_workspace: list[Compared]
    by_resource_type: list[Compared]
    by_provider: list[Compared]
    records: int
    from_records: int

    @property
    def paying_more(self) -> int:
        return sum(each.difference > 0 for each in self.by_workspace)

    @property
    def paying_less(self) -> int:
        return sum(each.difference < 0 for each in self.by_workspace)


def compared(
    sold: Sequence[Sold], *, currency: str, from_records: int, as_of: dt.datetime
) -> WhatIf:
    names = dict(
        Workspace.objects.filter(pk__in={each.workspace_id for each in sold}).values_list(
            "pk", "name"
        )
    )
    total = Compared("")
    workspaces: dict[UUID, Compared] = {}
    types: dict[str, Compared] = {}
    providers: dict[str, Compared] = {}
    for part in sold:
        owner = part.workspace_id
        for each in (
            total,
            workspaces.setdefault(owner, Compared(names[owner], owner)),
            types.setdefault(part.resource_type, Compared(part.resource_type)),
            providers.setdefault(part.provider, Compared(part.provider)),
        ):
            each.now.add(*part.now)
            each.then.add(*part.then)
    return WhatIf(
        as_of=as_of,
        currency=currency,
        total=total,
        by_workspace=sorted(
            workspaces.values(), key=lambda each: (-abs(each.difference), each.name)
        ),
        by_resource_type=_largest(types.values()),
        by_provider=_largest(providers.values()),
        records=sum(part.records for part in sold),
        from_records=from_records,
    )


def _largest(found: Iterable[Compared]) -> list[Compared]:
    return sorted(found, key=lambda each: (-each.now.revenue, each.name))
