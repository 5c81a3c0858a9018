"""A call beside the usual call of its agent, and what made it dearer.

The usual call is the median of the agent's last completed calls within 30 days before it: of at
most `SAMPLE`, whose prices and records are found by index, so that a receipt costs the same for an
agent with a million calls.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from statistics import median
from typing import NamedTuple
from uuid import UUID

from billing.compiled import CompiledQuery
from billing.money import ZERO
from billing.replica import reading_connection
from usage.models import Call, CallPrice

SAMPLE = 200
# Fewer say nothing about what is usual.
_FEWEST = 5
_DAYS = dt.timedelta(days=30)
# Below it a difference is not worth a word.
_DEARER = Decimal("1.25")


class ResourcePart(NamedTuple):
    """What calls used of one resource type."""

    quantity: Decimal
    price: Decimal

    @property
    def unit_price(self) -> Decimal | None:
        return self.price / self.quantity if self.quantity else None


NOTHING = ResourcePart(ZERO, ZERO)


@dataclass(frozen=True)
class Usual:
    """Medians of `calls` calls: the whole call's, and each resource type's (zero without it)."""

    calls: int
    price: Decimal
    seconds: Decimal
    parts: Mapping[str, ResourcePart]


class DearPart(NamedTuple):
    """A resource type on which more was spent than usual; factors are None where nothing is usual.

    `quantity_factor` times as many units, each at `price_factor` times the usual price.
    """

    resource_type: str
    price: Decimal
    usual: Decimal
    quantity_factor: Decimal | None
    price_factor: Decimal | None


@dataclass(frozen=True)
class CallComparison:
    """Factors against the usual call, to one decimal; None where that is nothing."""

    usual: Usual
    price_factor: Decimal | None
    length_factor: Decimal | None
    is_dearer: bool
    dear: list[DearPart]


_sample = CompiledQuery[tuple[UUID, Decimal, Decimal]](
    lambda workspace_id, agent_id, until, since: (
        CallPrice.objects.filter(
            workspace_id=workspace_id,
            agent_id=agent_id,
            started_at__lt=until,
            started_at__gte=since,
            status=Call.Status.COMPLETED,
        )
        .order_by("-started_at")
        .values_list("call_id", "price", "duration_seconds")[:SAMPLE]
    )
)
_PARTS = """
SELECT call_id, resource_type, sum(quantity), sum(final_cost)
  FROM usage_usagerecord
 WHERE workspace_id = %s AND call_id = ANY(%s)
 GROUP BY call_id, resource_type
"""


def usual_call(call: Call) -> Usual | None:
    """None without an agent, or where it has too few calls to compare with. Two queries."""
    if call.agent_id is None:
        return None
    sample = _sample(call.workspace_id, call.agent_id, call.started_at, call.started_at - _DAYS)
    if len(sample) < _FEWEST:
        return None
    used = _parts(call.workspace_id, [call_id for call_id, *_ in sample])
    types = {name for parts in used.values() for name in parts}
    return Usual(
        calls=len(sample),
        price=_median(price for _, price, _ in sample),
        seconds=_median(seconds for *_, seconds in sample),
        parts={
            name: ResourcePart(
                _median(used[call_id].get(name, NOTHING).quantity for call_id, *_ in sample),
                _median(used[call_id].get(name, NOTHING).price for call_id, *_ in sample),
            )
            for name in types
        },
    )


def compare(usual: Usual, parts: Mapping[str, ResourcePart], seconds: Decimal) -> CallComparison:
    """A call of these parts and this length beside the usual one; the dearest part first."""
    price = sum((part.price for part in parts.values()), ZERO)
    dear = [
        DearPart(
            name,
            part.price,
            then.price,
            _factor(part.quantity, then.quantity),
            _factor(part.unit_price, then.unit_price),
        )
        for name, part in parts.items()
        if part.price > (then := usual.parts.get(name, NOTHING)).price * _DEARER
    ]
    dear.sort(key=lambda part: (part.usual - part.price, part.resource_type))
    return CallComparison(
        usual=usual,
        price_factor=_factor(price, usual.price),
        length_factor=_factor(seconds, usual.seconds),
        is_dearer=price > usual.price * _DEARER,
        dear=dear,
    )


def _parts(workspace_id: UUID, call_ids: list[UUID]) -> dict[UUID, dict[str, ResourcePart]]:
    found: dict[UUID, dict[str, ResourcePart]] = defaultdict(dict)
    with reading_connection().cursor() as cursor:
        cursor.execute(_PARTS, [workspace_id, call_ids])
        for call_id, resource_type, quantity, price in cursor:
            found[call_id][resource_type] = ResourcePart(quantity, price)
    return found


def _median(values: Iterable[Decimal]) -> Decimal:
    return median(values)


def _factor(now: Decimal | None, usual: Decimal | None) -> Decimal | None:
    if not usual or now is None:
        return None
    return (now / usual).quantize(Decimal("0.1"), rounding=ROUND_HALF_UP)
