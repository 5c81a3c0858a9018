"""Truing up: an estimated cost made final, once, by an appended record with the difference."""

import datetime as dt
from decimal import Decimal
from uuid import UUID

from django.db import transaction

from billing.errors import Conflict, Invalid, NotFound
from billing.money import EXACT, ZERO
from billing.rating import RecordPrice, converted, markup_factor, rate
from billing.recorded_rates import prices_by_rate
from usage.models import UsageRecord
from usage.services.corrections import (
    Correction,
    append_correction,
    corrected_row,
    lock_corrections,
)
from usage.services.ingest.fields import ESTIMATED
from usage.services.ingest.pricing import COST_LIMIT


class CannotTrueUp(Conflict):
    code = "cannot_true_up"


class AlreadyTruedUp(Conflict):
    code = "already_trued_up"


def true_up_record(
    *, workspace_id: UUID, record_id: UUID, unit_cost: Decimal, now: dt.datetime
) -> tuple[UsageRecord, bool]:
    """The record that brings `record_id` to its final `unit_cost`, and whether it is new.

    It has no quantity, and the difference of the costs; the price follows where it comes from the
    cost, by the markup or the rate that the record was priced by. Currency and exchange rate are
    those of the record. The same unit cost again answers the first.

    Raises `NotFound`, `CannotTrueUp` for a cost that is final or was taken back,
    `AlreadyTruedUp`, and `Invalid` for a unit cost that makes it too large to be recorded.
    """
    records = UsageRecord.objects.filter(workspace_id=workspace_id)
    original = records.filter(pk=record_id).first()
    if original is None:
        raise NotFound(f"There is no usage record {record_id}.")
    if original.cost_state != ESTIMATED or original.reverses_id is not None:
        raise CannotTrueUp(f"The cost of usage record {record_id} is final.")
    total_cost, final_cost = _amounts(original, unit_cost)
    if max(total_cost, final_cost) >= COST_LIMIT:
        raise Invalid(
            "What the record costs then has more than 18 digits.",
            field="unit_cost",
            code="too_large",
        )
    with transaction.atomic():
        lock_corrections(record_id)
        known = records.filter(trues_up=record_id, reverses__isnull=True).first()
        if known is not None and known.unit_cost != unit_cost:
            raise AlreadyTruedUp(
                f"Its cost was made final at {known.unit_cost.normalize():f} a unit."
            )
        if known is not None:
            return known, False
        if records.filter(reverses=record_id).exists():
            raise CannotTrueUp(f"Usage record {record_id} was taken back.")
        created = append_correction(
            original,
            Correction(None, original.pk.hex, None),
            lambda period_day: corrected_row(
                original,
                period_day,
                kind="true-up",
                key=f"true-up:{original.pk}",
                quantity=ZERO,
                billed_quantity=None,
                unit_cost=unit_cost,
                total_cost=EXACT.subtract(total_cost, original.total_cost),
                final_cost=EXACT.subtract(final_cost, original.final_cost),
                cost_state=None,
            ),
            now=now,
        )
    return records.get(trues_up=record_id, reverses__isnull=True), created


def _amounts(record: UsageRecord, unit_cost: Decimal) -> tuple[Decimal, Decimal]:
    """What the record would have cost, and been sold for, at another unit cost."""
    if record.exchange_rate is not None:
        unit_cost = converted(unit_cost, record.exchange_rate)
    if record.rate_id is None:
        assert record.markup_percentage is not None
        return rate(record.quantity, unit_cost, markup_factor(record.markup_percentage))
    price = prices_by_rate([record.rate_id])[record.rate_id].price
    _, total_cost, final_cost = RecordPrice(price).amounts(record.quantity, unit_cost)
    return total_cost, final_cost
