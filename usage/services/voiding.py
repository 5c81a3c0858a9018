"""Voiding of a usage record: a reversing record in an open period, never an edit."""

import datetime as dt
from decimal import Decimal
from uuid import UUID

from django.db import transaction

from billing.errors import Conflict, NotFound
from usage.models import UsageRecord
from usage.services.corrections import (
    Correction,
    append_correction,
    corrected_row,
    lock_corrections,
)
from usage.services.ingest.checking import PeriodDay
from usage.services.ingest.writing import RecordRow


class CannotVoidRecord(Conflict):
    code = "cannot_void"


def void_record(
    *, workspace_id: UUID, record_id: UUID, reason: str, now: dt.datetime
) -> tuple[UsageRecord, bool]:
    """The record that reverses `record_id`, and whether it is new; a second time answers the first.

    It has the amounts of the original, negated. What its cost was trued up by is taken back with
    it. Raises `NotFound`, or `CannotVoidRecord` for a record that corrects another one.
    """
    records = UsageRecord.objects.filter(workspace_id=workspace_id)
    original = records.filter(pk=record_id).first()
    if original is None:
        raise NotFound(f"There is no usage record {record_id}.")
    if original.reverses_id is not None:
        raise CannotVoidRecord(f"Usage record {record_id} takes another one back itself.")
    if original.trues_up_id is not None:
        raise CannotVoidRecord(
            f"Usage record {record_id} is taken back with the one that it trues up."
        )
    with transaction.atomic():
        lock_corrections(record_id)
        created = False
        if not records.filter(reverses=record_id).exists():
            created = _take_back(original, reason, now)
            true_up = records.filter(trues_up=record_id, reverses__isnull=True).first()
            if true_up is not None:
                _take_back(true_up, reason, now)
    return records.get(reverses=record_id), created


def _take_back(original: UsageRecord, reason: str, now: dt.datetime) -> bool:
    trues_up = original.trues_up_id.hex if original.trues_up_id else None
    return append_correction(
        original,
        Correction(original.pk.hex, trues_up, reason),
        lambda period_day: _reversal(original, period_day),
        now=now,
    )


def _reversal(original: UsageRecord, period_day: PeriodDay) -> RecordRow:
    billed = original.billed_quantity
    return corrected_row(
        original,
        period_day,
        kind="reversal",
        key=f"void:{original.pk}",
        quantity=_negated(original.quantity),
        billed_quantity=None if billed is None else _negated(billed),
        unit_cost=original.unit_cost,
        total_cost=_negated(original.total_cost),
        final_cost=_negated(original.final_cost),
        cost_state=original.cost_state,
    )


def _negated(amount: Decimal) -> Decimal:
    return -amount if amount else amount
