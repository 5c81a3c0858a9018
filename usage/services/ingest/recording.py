"""A batch of usage: place, price, write, count, check limits, commit; and what became of it."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from decimal import Decimal
from enum import Enum
from operator import attrgetter
from typing import NamedTuple
from uuid import UUID

from django.db import connection, transaction

from billing.prepared import prepared_cursor
from billing.rating import rate
from billing.services.periods import open_period
from usage.services.ingest.entries import Candidate, RecordError, Stored
from usage.services.ingest.terms import Terms, TermsMemory
from usage.services.ingest.writing import (
    LimitsNear,
    SomeAreKnown,
    TermsChanged,
    Written,
    write,
)
from usage.services.limits import check_limits, spread_headroom

# Each try meets a price or a period that changed a moment ago; more than a few in a row means that
# something else is wrong.
_MAX_TRIES = 8
# What numeric(28, 10) holds.
_COST_LIMIT = Decimal(10) ** 18

_memory = TermsMemory()


class Outcome(Enum):
    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"


class Recorded:
    """What became of each candidate; `errors` in the order of their places, earlier refusals
    among them."""

    def __init__(
        self, candidates: Sequence[Candidate], created_at: dt.datetime, refused: list[RecordError]
    ) -> None:
        self._candidates = candidates
        self._created_at = created_at
        here = [each.refusal for each in candidates if each.refusal is not None]
        self.errors = sorted(refused + here, key=lambda error: error.index)
        self.duplicates = sum(each.existing is not None for each in candidates)
        self.accepted = len(candidates) - len(here) - self.duplicates

    def answer(self, position: int) -> tuple[Outcome, Stored] | RecordError:
        """Of the candidate at `position` in the sequence that was given."""
        candidate = self._candidates[position]
        if candidate.refusal is not None:
            return candidate.refusal
        outcome = Outcome.ACCEPTED if candidate.existing is None else Outcome.DUPLICATE
        return outcome, candidate.as_stored(self._created_at)


def record(
    candidates: Sequence[Candidate],
    *,
    now: dt.datetime,
    only_workspace: str | None = None,
    refused: Iterable[RecordError] = (),
) -> Recorded:
    """Write what is new, all or nothing; when this returns, it is committed.

    `only_workspace` (32 hex digits) hides every other workspace, as for a key bound to one.
    Raises `django.db.Error` when the database fails; nothing is written then.
    """
    wanted = candidates
    if only_workspace is not None:
        wanted = [each for each in candidates if each.workspace_id == only_workspace]
        if len(wanted) != len(candidates):
            for each in candidates:
                if each.workspace_id != only_workspace:
                    each.refusal = unknown_workspace(each.index)
    firsts = {each.id: each for each in reversed(wanted)}
    new = sorted(firsts.values(), key=attrgetter("id"))
    if new:
        _record_new(new, now)
    if len(firsts) != len(wanted):
        for each in wanted:
            if (first := firsts[each.id]) is not each:
                _answer_repeat(each, first, now)
    return Recorded(candidates, now, list(refused))


def unknown_workspace(index: int) -> RecordError:
    return RecordError(index, "unknown_workspace", "workspace_id", "There is no such workspace.")


def _answer_repeat(candidate: Candidate, first: Candidate, now: dt.datetime) -> None:
    """A key's later use in the same batch is answered as if it had come later."""
    if first.refusal is not None:
        candidate.refusal = RecordError(
            candidate.index, first.refusal.code, first.refusal.field, first.refusal.detail
        )
    elif candidate.same_payload(first):
        candidate.existing = first.as_stored(now)
    else:
        _refuse_key(candidate)


def _refuse_key(candidate: Candidate) -> None:
    candidate.refuse(
        "idempotency_key_reused", "idempotency_key", "This key was used before, for another record."
    )


def _record_new(candidates: list[Candidate], now: dt.datetime) -> None:
    workspaces = sorted({each.workspace_id for each in candidates})
    terms, just_read = _memory.of(workspaces)
    # Kept for this batch: another one may ease a limit meanwhile, by less than this one needs.
    near = frozenset(period for each in terms.values() for period in each.near)
    all_new = True
    for _ in range(_MAX_TRIES):
        priced = _price(candidates, terms)
        if priced.unusual and not just_read:
            # A period may have been opened or closed since, or a markup lowered: what is late, has
            # no period or costs too much shows only in terms of this moment.
            terms, just_read = _memory.read(workspaces), True
            continue
        if priced.missing:
            for (workspace_id, *_), at in sorted(priced.missing.items()):
                open_period(workspace_id=UUID(workspace_id), at=at, now=now)
            terms = _memory.read(workspaces)
            continue
        try:
            written = _write(priced.records, terms, now, all_new=all_new, near=near)
        except SomeAreKnown:
            all_new = False
        except TermsChanged:
            terms, just_read = _memory.read(workspaces), True
        except LimitsNear as found:
            near |= found.periods
        else:
            break
    else:
        raise RuntimeError("prices and billing periods kept changing while usage was recorded")
    if written.ids is not None:
        _answer_existing([each for each in priced.records if each.id not in written.ids])


class _Priced(NamedTuple):
    """`missing` has the first time seen of each local month that has no period yet; `unusual`:
    there are such, or late records, or some that cost too much."""

    records: list[Candidate]
    missing: dict[tuple[str, int, int], dt.datetime]
    unusual: bool


def _price(candidates: Sequence[Candidate], known: Mapping[str, Terms]) -> _Priced:
    """Give each its place, its markup and its costs, or a refusal."""
    priced: list[Candidate] = []
    missing: dict[tuple[str, int, int], dt.datetime] = {}
    unusual = 0
    for each in candidates:
        each.refusal = None  # of an earlier try, by other terms
        terms = known.get(each.workspace_id)
        if terms is None:
            each.refusal = unknown_workspace(each.index)
            continue
        if terms.is_closed:
            each.refuse("workspace_closed", "workspace_id", "This workspace is closed.")
            continue
        place = terms.place(each.occurred_at)
        if place is None:
            at = terms.must_open_at(each.occurred_at)
            local = at.astimezone(terms.zone)
            missing.setdefault((each.workspace_id, local.year, local.month), at)
            continue
        total_cost, final_cost = rate(each.quantity, each.unit_cost, terms.factor)
        if final_cost >= _COST_LIMIT:
            each.refuse(
                "too_large", "quantity", "Quantity times unit cost has more than 18 digits."
            )
            unusual += 1
            continue
        unusual += place.late
        each.place = place
        each.markup = terms.markup
        each.total_cost = str(total_cost)
        each.final_cost = str(final_cost)
        priced.append(each)
    return _Priced(priced, missing, bool(unusual or missing))


def _write(
    priced: Sequence[Candidate],
    terms: Mapping[str, Terms],
    now: dt.datetime,
    *,
    all_new: bool,
    near: frozenset[str],
) -> Written:
    """Write and count; where a period's limit is `near`, in one transaction with what follows from
    it. Raises `LimitsNear`, `SomeAreKnown` and `TermsChanged`."""
    if not priced:
        return Written(0, None)
    checked = {
        workspace_id: mine
        for workspace_id, each in terms.items()
        if near and (mine := near.intersection(period.id for period in each.periods))
    }
    periods = frozenset[str]().union(*checked.values())
    # The statement is a transaction by itself when nothing follows it.
    whole: AbstractContextManager[None] = nullcontext()
    if checked or connection.in_atomic_block:
        whole = transaction.atomic()
    with whole:
        written = write(priced, terms, created_at=now, all_new=all_new, checked=periods)
        if checked and written.new:
            check_limits(workspace_ids=list(checked), now=now)
            far = spread_headroom(periods)
            for workspace_id, mine in checked.items():
                terms[workspace_id].near = mine - far
    return written


_EXISTING = """
SELECT id, workspace_id, call_id, resource_type, provider, quantity, unit_cost, total_cost,
       markup_percentage, final_cost, billing_period_id, late, idempotency_key, occurred_at,
       created_at
  FROM usage_usagerecord WHERE id = ANY(%s::uuid[])
"""


def _answer_existing(candidates: list[Candidate]) -> None:
    """Keys that were there before: duplicates where the payload agrees, else refused.

    A statement of its own, after the commit: it sees records that another transaction committed
    while this one waited for it.
    """
    with prepared_cursor() as cursor:
        cursor.execute(_EXISTING, [[each.id for each in candidates]], prepare=True)
        stored = {row[0].hex: Stored(*row) for row in cursor}
    for each in candidates:
        found = stored[each.id]
        if each.agrees_with(found):
            each.existing = found
        else:
            _refuse_key(each)
