"""Recording a batch of usage: price, write, count, check limits, commit; each record's outcome."""

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from decimal import Decimal
from enum import Enum
from operator import attrgetter
from typing import NamedTuple
from uuid import UUID

from django.db import OperationalError, connection, transaction

from billing.prepared import prepared_cursor
from billing.rating import converted, rate
from billing.services.periods import mark_metered, open_period
from usage.models import VoiceAgent
from usage.services.distribution import records_are_distributed
from usage.services.ingest.entries import PricedRecord, RecordError, Stored
from usage.services.ingest.pricing_terms import PricingTerms, PricingTermsCache
from usage.services.ingest.writing import (
    LimitsNear,
    PricingTermsChanged,
    SomeAreKnown,
    Written,
    agents_of_calls,
    write,
)
from usage.services.limits import check_limits, spread_slot_allowance

# Each try meets a price or a period that changed a moment ago; more than a few in a row means that
# something else is wrong.
_MAX_TRIES = 8
_DEADLOCK = "40P01"
# What numeric(28, 10) holds.
_COST_LIMIT = Decimal(10) ** 18

_terms_cache = PricingTermsCache()


class RecordOutcome(Enum):
    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"


class Recorded:
    """What became of each record; `errors` in the order of their places, earlier refusals
    among them."""

    def __init__(
        self, records: Sequence[PricedRecord], created_at: dt.datetime, refused: list[RecordError]
    ) -> None:
        self._candidates = records
        self._created_at = created_at
        here = [each.refusal for each in records if each.refusal is not None]
        self.errors = sorted(refused + here, key=lambda error: error.index)
        self.duplicates = sum(each.existing is not None for each in records)
        self.accepted = len(records) - len(here) - self.duplicates

    def answer(self, position: int) -> tuple[RecordOutcome, Stored] | RecordError:
        """Of the record at `position` in the sequence that was given."""
        record = self._candidates[position]
        if record.refusal is not None:
            return record.refusal
        outcome = RecordOutcome.ACCEPTED if record.existing is None else RecordOutcome.DUPLICATE
        return outcome, record.as_stored(self._created_at)


def record_usage(
    records: Sequence[PricedRecord],
    *,
    now: dt.datetime,
    only_workspace: str | None = None,
    refused: Iterable[RecordError] = (),
    with_agents: bool = True,
) -> Recorded:
    """Write what is new, all or nothing; when this returns, it is committed.

    `only_workspace` (32 hex digits) hides every other workspace, as for a key bound to one.
    Without `with_agents` the answers do not know what only the calls say of agents.
    Raises `django.db.Error` when the database fails; nothing is written then.
    """
    wanted = records
    if only_workspace is not None:
        wanted = [each for each in records if each.workspace_id == only_workspace]
        if len(wanted) != len(records):
            for each in records:
                if each.workspace_id != only_workspace:
                    each.refusal = unknown_workspace(each.index)
    # Who a record is comes before whether it may be recorded: a retry is answered as one.
    if unfit := [each for each in wanted if each.refusal is not None]:
        _answer_known(unfit)
        wanted = [each for each in wanted if each.refusal is None and each.existing is None]
    firsts = {each.id: each for each in reversed(wanted)}
    new = sorted(firsts.values(), key=attrgetter("id"))
    if new:
        _record_new(new, now, with_agents=with_agents)
    if len(firsts) != len(wanted):
        for each in wanted:
            if (first := firsts[each.id]) is not each:
                _answer_repeat(each, first, now)
    return Recorded(records, now, list(refused))


def unknown_workspace(index: int) -> RecordError:
    return RecordError(index, "unknown_workspace", "workspace_id", "There is no such workspace.")


def _answer_repeat(record: PricedRecord, first: PricedRecord, now: dt.datetime) -> None:
    """A key's later use in the same batch is answered as if it had come later."""
    if first.refusal is not None:
        record.refusal = RecordError(
            record.index, first.refusal.code, first.refusal.field, first.refusal.detail
        )
    elif record.same_payload(first):
        record.existing = first.as_stored(now)
    else:
        _refuse_key(record)


def _refuse_key(record: PricedRecord) -> None:
    record.refuse(
        "idempotency_key_reused", "idempotency_key", "This key was used before, for another record."
    )


def _record_new(records: list[PricedRecord], now: dt.datetime, *, with_agents: bool) -> None:
    workspaces = sorted({each.workspace_id for each in records})
    strangers = frozenset(each.id for each in _strangers(records))
    terms, just_read = _terms_cache.of(workspaces)
    # Kept for this batch: another one may ease a limit meanwhile, by less than this one needs.
    near = frozenset(period for each in terms.values() for period in each.near)
    all_new = True
    for _ in range(_MAX_TRIES):
        priced = _price(records, terms, strangers)
        if priced.unusual and not just_read:
            # A period may have been opened or closed since, or a markup lowered: what is late, has
            # no period or costs too much shows only in terms of this moment.
            terms, just_read = _terms_cache.read(workspaces), True
            continue
        if priced.missing:
            for (workspace_id, *_), at in sorted(priced.missing.items()):
                open_period(workspace_id=UUID(workspace_id), at=at, now=now)
            terms = _terms_cache.read(workspaces)
            continue
        if priced.unmarked:
            mark_metered(priced.unmarked)
            for owner in terms.values():
                owner.metered |= priced.unmarked
        near |= priced.unbounded
        try:
            written = _write(
                priced.records, terms, now, all_new=all_new, near=near, with_agents=with_agents
            )
        except SomeAreKnown:
            all_new = False
        except PricingTermsChanged:
            terms, just_read = _terms_cache.read(workspaces), True
        except LimitsNear as found:
            near |= found.periods
        except OperationalError as error:
            # A deadlock is undone whole and may be tried again, unless more was undone with it.
            sqlstate = getattr(error.__cause__, "sqlstate", None)
            if sqlstate != _DEADLOCK or connection.in_atomic_block:
                raise
        else:
            break
    else:
        raise RuntimeError("prices and billing periods kept changing while usage was recorded")
    if len(priced.records) != len(records):
        # Recorded before the workspace was closed, or its markup raised, it is known all the same.
        _answer_known([each for each in records if each.refusal is not None])
    if written.ids is not None:
        _answer_known([each for each in priced.records if each.id not in written.ids])
    if written.agents:
        for each in priced.records:
            each.agent_of_call = written.agents.get(each.id)


# Which agents are whose: they stay for ever, and with their workspace.
_agents: dict[str, str] = {}
_MOST_AGENTS = 100_000


def _strangers(records: Iterable[PricedRecord]) -> list[PricedRecord]:
    """Those that name an agent that their workspace does not have."""
    unsure = [
        each
        for each in records
        if each.agent_id is not None and _agents.get(each.agent_id) != each.workspace_id
    ]
    if unsure:
        if len(_agents) > _MOST_AGENTS:
            _agents.clear()
        asked = {each.agent_id for each in unsure if each.agent_id is not None}
        found = VoiceAgent.objects.filter(pk__in=asked).values_list("pk", "workspace_id")
        _agents.update((agent.hex, workspace.hex) for agent, workspace in found)
    return [each for each in unsure if _agents.get(each.agent_id or "") != each.workspace_id]


class _Priced(NamedTuple):
    """`missing` has the first time seen of each local month that has no period yet; `unusual`:
    there are such, or late records, or some that cost too much.

    Of periods whose prices depend on all of them: `unmarked` ones do not say so yet, `unbounded`
    ones get records that may add more than their list price, and have a limit."""

    records: list[PricedRecord]
    missing: dict[tuple[str, int, int], dt.datetime]
    unusual: bool
    unmarked: frozenset[str]
    unbounded: frozenset[str]


def _price(
    records: Sequence[PricedRecord], known: Mapping[str, PricingTerms], strangers: Collection[str]
) -> _Priced:
    """Give each its period and day, its markup and its costs, or a refusal; `strangers` are the
    ids of those whose agent is unknown."""
    priced: list[PricedRecord] = []
    missing: dict[tuple[str, int, int], dt.datetime] = {}
    unusual = 0
    unmarked: set[str] = set()
    unbounded: set[str] = set()
    for each in records:
        each.refusal = None  # of an earlier try, by other terms
        terms = known.get(each.workspace_id)
        if terms is None:
            each.refusal = unknown_workspace(each.index)
            continue
        if terms.is_closed:
            each.refuse("workspace_closed", "workspace_id", "This workspace is closed.")
            continue
        if each.id in strangers:
            each.refuse("unknown_agent", "agent_id", "There is no such agent in the workspace.")
            continue
        period_day = terms.period_day(each.occurred_at)
        if period_day is None:
            at = terms.must_open_at(each.occurred_at)
            local = at.astimezone(terms.zone)
            missing.setdefault((each.workspace_id, local.year, local.month), at)
            continue
        price = None
        if terms.prices is not None:
            price = terms.prices.price_for(
                period_day.usage_date, each.resource_type, each.provider, each.model or ""
            )
        unit_cost = each.unit_cost
        if each.exchange_rate is not None:
            unit_cost = converted(unit_cost, Decimal(each.exchange_rate))
        if price is None:
            total_cost, final_cost = rate(each.quantity, unit_cost, terms.factor)
            each.markup, each.rate_id, each.billed_quantity = terms.markup, None, None
        else:
            billed, total_cost, final_cost = price.of_records.amounts(each.quantity, unit_cost)
            each.markup, each.rate_id = price.of_records.markup, price.rate_hex
            each.billed_quantity = None if billed is None else str(billed)
            if price.of_records.has_meter:
                if period_day.period_id not in terms.metered:
                    unmarked.add(period_day.period_id)
                if terms.is_limited and not price.of_records.is_bounded:
                    unbounded.add(period_day.period_id)
        if final_cost >= _COST_LIMIT:
            each.refuse("too_large", "quantity", "What it costs has more than 18 digits.")
            unusual += 1
            continue
        unusual += period_day.late
        each.period_day = period_day
        each.total_cost = str(total_cost)
        each.final_cost = str(final_cost)
        priced.append(each)
    return _Priced(
        priced,
        missing,
        bool(unusual or missing),
        frozenset(unmarked),
        frozenset(unbounded),
    )


def _write(
    priced: Sequence[PricedRecord],
    terms: Mapping[str, PricingTerms],
    now: dt.datetime,
    *,
    all_new: bool,
    near: frozenset[str],
    with_agents: bool,
) -> Written:
    """Write and count; where a period's limit is `near`, in one transaction with what follows from
    it. Raises `LimitsNear`, `SomeAreKnown` and `PricingTermsChanged`."""
    if not priced:
        return Written(0, None, {})
    checked = {
        workspace_id: mine
        for workspace_id, each in terms.items()
        if near and (mine := near.intersection(period.id for period in each.periods))
    }
    periods = frozenset[str]().union(*checked.values())
    # The statement is a transaction by itself when nothing follows it.
    in_transaction: AbstractContextManager[None] = nullcontext()
    if checked or connection.in_atomic_block or records_are_distributed():
        in_transaction = transaction.atomic()
    with in_transaction:
        written = write(
            priced,
            terms,
            created_at=now,
            all_new=all_new,
            checked=periods,
            with_agents=with_agents,
        )
        if checked and written.new:
            check_limits(workspace_ids=list(checked), now=now)
            far = spread_slot_allowance(periods)
            for workspace_id, mine in checked.items():
                terms[workspace_id].near = mine - far
    return written


_STORED = """
SELECT id, workspace_id, call_id, resource_type, provider, quantity, unit_cost, total_cost,
       markup_percentage, final_cost, billing_period_id, late, idempotency_key, occurred_at,
       created_at, coalesce(billed_quantity, quantity), rate_id, model, cost_currency,
       exchange_rate, coalesce(cost_state, 'final'), agent_id
"""
_EXISTING = f"""
{_STORED}
  FROM usage_usagerecord WHERE workspace_id = %s::uuid AND id = ANY(%s::uuid[])
"""
_EXISTING_OF_MANY = f"""
{_STORED}
  FROM unnest(%s::uuid[], %s::uuid[]) AS asked (workspace, record)
  JOIN usage_usagerecord ON workspace_id = workspace AND id = record
"""


def _answer_known(records: list[PricedRecord]) -> None:
    """Keys that were there before: duplicates where the payload agrees, else refused.

    A statement of its own, after the commit: it sees records that another transaction committed
    while this one waited for it. Keys that were not there are left as they are.
    """
    if not records:
        return
    ids, workspaces = [each.id for each in records], [each.workspace_id for each in records]
    with prepared_cursor() as cursor:
        if len(set(workspaces)) == 1:
            cursor.execute(_EXISTING, [workspaces[0], ids], prepare=True)
        else:
            cursor.execute(_EXISTING_OF_MANY, [workspaces, ids], prepare=True)
        stored = {row[0].hex: Stored(*row) for row in cursor}
    _ask_calls([each for each in records if each.call_id and each.id in stored], stored)
    for each in records:
        found = stored.get(each.id)
        if found is None:
            continue
        if each.agrees_with(found):
            each.existing, each.refusal = found, None
        else:
            _refuse_key(each)


def _ask_calls(records: Iterable[PricedRecord], stored: Mapping[str, Stored]) -> None:
    """Who took the calls of records that were stored with another agent than they name now."""
    changed = [
        each
        for each in records
        if stored[each.id].agent_id != (UUID(each.agent_id) if each.agent_id else None)
    ]
    agents = agents_of_calls(changed)
    for each in changed:
        each.agent_of_call = agents.get(each.id)
