"""Corrections of usage records: appended in an open period, never an edit.

A reversal takes a record back; a true-up makes an estimated cost final. Each has the time of what
it corrects, so that reports of that day come right, and enters the period that a record of that
time enters now, which for a closed month is the earliest open one.
"""

import datetime as dt
import hashlib
from collections.abc import Callable, Collection
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from django.db import connection, transaction

from billing.rating import depends_on_period
from billing.recorded_rates import prices_by_rate
from billing.services.periods import mark_metered, open_period
from usage.models import UsageRecord
from usage.services.distribution import records_are_distributed
from usage.services.ingest import statement
from usage.services.ingest.checking import PeriodDay
from usage.services.ingest.pricing import PricingTerms
from usage.services.ingest.pricing_terms import read_pricing_terms
from usage.services.ingest.writing import (
    NO_LIMITS,
    LimitsNear,
    PricingTermsChanged,
    RecordRow,
    Written,
    execute,
    limits_of,
)
from usage.services.ingest.writing_apart import count_rows, insert_rows
from usage.services.limits import check_limits, spread_slot_allowance

_MAX_TRIES = 8


class Correction(NamedTuple):
    """Of which records (ids) one is the reversal or the true-up, and why."""

    reverses: str | None
    trues_up: str | None
    reason: str | None


def correction_id(kind: str, record_id: UUID) -> UUID:
    """The id of the `reversal` or `true-up` of a record: of version 8, as no other record's is.

    Others have version 5, made from a workspace's id and a key; whoever makes a workspace chooses
    both, and must not be able to choose the id of another workspace's correction.
    """
    digest = bytearray(hashlib.sha256(f"{kind} of ".encode() + record_id.bytes).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x80
    digest[8] = digest[8] & 0x3F | 0x80
    return UUID(bytes=bytes(digest))


def lock_corrections(record_id: UUID) -> None:
    """Let one transaction at a time correct a record: whoever waited sees what was done."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [str(record_id)])


def append_correction(
    original: UsageRecord,
    correction: Correction,
    row: Callable[[PeriodDay], RecordRow],
    *,
    now: dt.datetime,
) -> bool:
    """Write the record that `row` makes for its period; whether it is new. In a transaction that
    holds the lock on the corrections of `original`."""
    owner = original.workspace_id.hex
    has_meter = _has_meter(original)
    near: frozenset[str] = frozenset()
    for _ in range(_MAX_TRIES):
        terms = read_pricing_terms([owner])[owner]
        period_day = terms.period_day(original.occurred_at)
        if period_day is None:
            at = terms.must_open_at(original.occurred_at)
            open_period(workspace_id=original.workspace_id, at=at, now=now)
            continue
        if has_meter:
            # What tiers make of it is not its list price: the limit is looked at anew. A month that
            # corrects a record of another may get its first meter by it.
            near |= {period_day.period_id}
            if period_day.period_id not in terms.metered:
                mark_metered([period_day.period_id])
        try:
            with transaction.atomic():
                written = _write(row(period_day), correction, terms, created_at=now, checked=near)
                if near:
                    check_limits(workspace_ids=[owner], now=now)
                    spread_slot_allowance(near)
        except PricingTermsChanged:
            continue
        except LimitsNear as found:
            near |= found.periods
            continue
        return written.new == 1
    raise RuntimeError("billing periods kept closing while a record was corrected")


def _write(
    row: RecordRow,
    correction: Correction,
    terms: PricingTerms,
    *,
    created_at: dt.datetime,
    checked: Collection[str] = (),
) -> Written:
    """Insert a record that corrects another one.

    Limits as for `write`; but for those of the periods `checked`, none is reached by spending less.
    """
    known_terms = {row.workspace_id: terms}
    limits = limits_of(known_terms, checked)
    if Decimal(row.final_cost) <= 0:
        limits = limits._replace(watched={}) if checked else NO_LIMITS
    if records_are_distributed():
        known = {
            "reverses_id": correction.reverses,
            "trues_up_id": correction.trues_up,
            "reason": correction.reason,
        }
        inserted = insert_rows([row], created_at, known)
        return count_rows([row], inserted, known_terms, limits)
    has_dimensions = row.agent_id is not None or row.model is not None
    values = [created_at.isoformat(), *correction, *row, has_dimensions]
    return execute(statement.CORRECTION, values, 1, known_terms, limits, with_agents=False)


def _has_meter(original: UsageRecord) -> bool:
    if original.rate_id is None:
        return False
    prices = prices_by_rate([original.rate_id])
    return any(depends_on_period(each.price) for each in prices.values())


def corrected_row(
    original: UsageRecord,
    period_day: PeriodDay,
    *,
    kind: str,
    key: str,
    quantity: Decimal,
    billed_quantity: Decimal | None,
    unit_cost: Decimal,
    total_cost: Decimal,
    final_cost: Decimal,
    cost_state: str | None,
) -> RecordRow:
    """A record that says the same as `original` but for these."""

    def text(value: Decimal | None) -> str | None:
        return None if value is None else format(value, "f")

    def hexed(value: UUID | None) -> str | None:
        return None if value is None else value.hex

    return RecordRow(
        correction_id(kind, original.pk).hex,
        original.workspace_id.hex,
        period_day.period_id,
        hexed(original.call_id),
        original.occurred_at.isoformat(),
        original.usage_date.isoformat(),
        "t" if period_day.late else "f",
        key,
        original.resource_type,
        original.provider,
        format(quantity, "f"),
        format(unit_cost, "f"),
        format(total_cost, "f"),
        text(original.markup_percentage),
        format(final_cost, "f"),
        hexed(original.rate_id),
        text(billed_quantity),
        original.model,
        original.cost_currency,
        text(original.exchange_rate),
        cost_state,
        hexed(original.agent_id),
    )
