"""Voiding of a usage record: a reversing record in an open period, never an edit."""

import datetime as dt
import hashlib
from decimal import Decimal
from uuid import UUID

from django.db import transaction

from billing.errors import Conflict, NotFound
from billing.pricing import prices_by_rate
from billing.rating import depends_on_period
from billing.services.periods import mark_metered, open_period
from usage.models import UsageRecord
from usage.services.ingest.entries import PeriodDay
from usage.services.ingest.pricing_terms import read_pricing_terms
from usage.services.ingest.writing import PricingTermsChanged, RecordRow, write_reversal
from usage.services.limits import check_limits, spread_slot_allowance

_MAX_TRIES = 8


class CannotVoid(Conflict):
    code = "cannot_void"


def void_record(
    *, workspace_id: UUID, record_id: UUID, reason: str, now: dt.datetime
) -> tuple[UsageRecord, bool]:
    """The record that reverses `record_id`, and whether it is new; a second time answers the first.

    It has the amounts of the original, negated, and its time, so that reports of that day come
    right; it enters the period that a record of that time enters now, which for a closed month is
    the earliest open one. Raises `NotFound`, or `CannotVoid` for a record that is a reversal.
    """
    records = UsageRecord.objects.filter(workspace_id=workspace_id)
    original = records.filter(pk=record_id).first()
    if original is None:
        raise NotFound(f"There is no usage record {record_id}.")
    if original.reverses_id is not None:
        raise CannotVoid(f"Usage record {record_id} takes another one back itself.")
    reversal = records.filter(reverses=record_id).first()
    if reversal is not None:
        return reversal, False
    created = _append(original, reason, now)
    return records.get(reverses=record_id), created


def _reversal_id(record_id: UUID) -> UUID:
    """The id of the record that takes `record_id` back: of version 8, as no other record's is.

    Others have version 5, made from a workspace's id and a key; whoever makes a workspace chooses
    both, and must not be able to choose the id of another workspace's reversal.
    """
    digest = bytearray(hashlib.sha256(b"reversal of " + record_id.bytes).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x80
    digest[8] = digest[8] & 0x3F | 0x80
    return UUID(bytes=bytes(digest))


def _append(original: UsageRecord, reason: str, now: dt.datetime) -> bool:
    owner = original.workspace_id.hex
    for _ in range(_MAX_TRIES):
        terms = read_pricing_terms([owner])[owner]
        period_day = terms.period_day(original.occurred_at)
        if period_day is None:
            at = terms.must_open_at(original.occurred_at)
            open_period(workspace_id=original.workspace_id, at=at, now=now)
            continue
        period_id = period_day.period_id
        # What tiers take off for it is less than its list price: the limit is looked at anew. A
        # month that takes back a record of another may get its first meter by it.
        has_meter = _has_meter(original)
        if has_meter and period_id not in terms.metered:
            mark_metered([period_id])
        checked = [period_id] if has_meter else []
        try:
            with transaction.atomic():
                written = write_reversal(
                    _reversal(original, period_day),
                    terms,
                    reverses=original.pk.hex,
                    reason=reason,
                    created_at=now,
                    checked=checked,
                )
                if checked and written.new:
                    check_limits(workspace_ids=[original.workspace_id], now=now)
                    spread_slot_allowance(checked)
        except PricingTermsChanged:
            continue
        return written.new == 1
    raise RuntimeError("billing periods kept closing while a record was voided")


def _has_meter(original: UsageRecord) -> bool:
    if original.rate_id is None:
        return False
    prices = prices_by_rate([original.rate_id])
    return any(depends_on_period(each.price) for each in prices.values())


def _reversal(original: UsageRecord, period_day: PeriodDay) -> RecordRow:
    def negated(amount: Decimal) -> str:
        return format(-amount if amount else amount, "f")

    return RecordRow(
        _reversal_id(original.pk).hex,
        original.workspace_id.hex,
        period_day.period_id,
        original.call_id.hex if original.call_id else None,
        original.occurred_at.isoformat(),
        original.usage_date.isoformat(),
        "t" if period_day.late else "f",
        f"void:{original.pk}",
        original.resource_type,
        original.provider,
        negated(original.quantity),
        str(original.unit_cost),
        negated(original.total_cost),
        None if original.markup_percentage is None else str(original.markup_percentage),
        negated(original.final_cost),
        None if original.rate_id is None else original.rate_id.hex,
        None if original.billed_quantity is None else negated(original.billed_quantity),
        original.model,
        original.cost_currency,
        None if original.exchange_rate is None else str(original.exchange_rate),
        original.cost_state,
        None if original.agent_id is None else original.agent_id.hex,
    )
