"""One transaction for a batch of usage: route, price, write, count, check limits, commit."""

import datetime as dt
from collections.abc import Iterable, Sequence
from decimal import Decimal
from enum import Enum
from typing import NamedTuple
from uuid import UUID

import psycopg
from django.conf import settings
from django.db import connection, transaction

from billing.rating import rate
from billing.services.periods import open_period
from usage.services.ingest.entries import Candidate, Entry, RecordError, Validator
from usage.services.ingest.terms import BatchTerms, Routed, Terms, read_terms
from usage.services.ingest.writing import (
    PeriodClosedMeanwhile,
    Row,
    SomeAreKnown,
    Written,
    write,
)
from usage.services.limits import check_limits

# Each try meets a period that closed or was missing a moment ago; more than a few in a row means
# that something else is wrong.
_MAX_TRIES = 8
# What numeric(28, 10) holds.
_COST_LIMIT = Decimal(10) ** 18


class Outcome(Enum):
    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"


class Stored(NamedTuple):
    """A record as it is in the database."""

    id: UUID
    workspace_id: UUID
    call_id: UUID | None
    resource_type: str
    provider: str
    quantity: Decimal
    unit_cost: Decimal
    total_cost: Decimal
    markup_percentage: Decimal
    final_cost: Decimal
    billing_period_id: UUID
    late: bool
    idempotency_key: str
    occurred_at: dt.datetime
    created_at: dt.datetime


class Recorded:
    """What became of each record: in `stored` by index with its outcome, or in `errors`."""

    def __init__(self) -> None:
        self.accepted = 0
        self.duplicates = 0
        self.errors: list[RecordError] = []
        self.outcomes: dict[int, Outcome] = {}
        self._rows: dict[int, tuple[Row, dt.datetime]] = {}
        self._existing: dict[int, Stored] = {}

    def stored(self, index: int) -> Stored:
        """The record at `index` as stored; of one that was a duplicate, what was there before."""
        if index in self._existing:
            return self._existing[index]
        row, created_at = self._rows[index]
        return Stored(
            UUID(row.id),
            UUID(row.workspace_id),
            UUID(row.call_id) if row.call_id else None,
            row.resource_type,
            row.provider,
            Decimal(row.quantity),
            Decimal(row.unit_cost),
            Decimal(row.total_cost),
            Decimal(row.markup_percentage),
            Decimal(row.final_cost),
            UUID(row.period_id),
            row.late == "t",
            row.idempotency_key,
            dt.datetime.fromisoformat(row.occurred_at),
            created_at,
        )

    def accept(self, index: int, row: Row, created_at: dt.datetime) -> None:
        self.accepted += 1
        self.outcomes[index] = Outcome.ACCEPTED
        self._rows[index] = (row, created_at)

    def repeat(self, index: int, existing: Stored) -> None:
        self.duplicates += 1
        self.outcomes[index] = Outcome.DUPLICATE
        self._existing[index] = existing

    def refuse(self, error: RecordError) -> None:
        self.errors.append(error)


def check_entries(
    entries: Iterable[Entry | RecordError], *, now: dt.datetime
) -> tuple[list[Candidate], list[RecordError]]:
    """Entries that are right in themselves, and why the others are not."""
    validator = Validator(
        now=now,
        max_age=dt.timedelta(days=settings.USAGE_MAX_AGE_DAYS),
        max_ahead=dt.timedelta(seconds=settings.USAGE_MAX_AHEAD_SECONDS),
    )
    candidates: list[Candidate] = []
    errors: list[RecordError] = []
    for index, entry in enumerate(entries):
        checked = entry if isinstance(entry, RecordError) else validator.check(index, entry)
        if isinstance(checked, RecordError):
            errors.append(checked)
        else:
            candidates.append(checked)
    return candidates, errors


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
    result = Recorded()
    for error in refused:
        result.refuse(error)
    firsts, repeats = _without_repeats(candidates, result)
    new = sorted(firsts, key=lambda candidate: candidate.id)
    if only_workspace is not None:
        new = _only(only_workspace, new, result)
    if new:
        _record_new(new, now, result)
    if repeats:
        refusals = {error.index: error for error in result.errors}
        for candidate, first in repeats:
            _answer_repeat(candidate, first, refusals, result)
    result.errors.sort(key=lambda error: error.index)
    return result


def _without_repeats(
    candidates: Sequence[Candidate], result: Recorded
) -> tuple[list[Candidate], list[tuple[Candidate, Candidate]]]:
    """Each key's first use, and later uses of the same key with their first."""
    by_id: dict[str, Candidate] = {}
    repeats: list[tuple[Candidate, Candidate]] = []
    for candidate in candidates:
        first = by_id.setdefault(candidate.id, candidate)
        if first is not candidate:
            repeats.append((candidate, first))
    return list(by_id.values()), repeats


def _only(workspace: str, candidates: list[Candidate], result: Recorded) -> list[Candidate]:
    kept = []
    for candidate in candidates:
        if candidate.workspace_id == workspace:
            kept.append(candidate)
        else:
            result.refuse(unknown_workspace(candidate.index))
    return kept


def _answer_repeat(
    candidate: Candidate, first: Candidate, refusals: dict[int, RecordError], result: Recorded
) -> None:
    if refusal := refusals.get(first.index):
        result.refuse(RecordError(candidate.index, refusal.code, refusal.field, refusal.detail))
    elif candidate.same_payload(first):
        result.repeat(candidate.index, result.stored(first.index))
    else:
        result.refuse(_key_reused(candidate.index))


def _record_new(candidates: list[Candidate], now: dt.datetime, result: Recorded) -> None:
    workspace_ids = sorted({candidate.workspace_id for candidate in candidates})
    all_new = True
    for _ in range(_MAX_TRIES):
        try:
            with transaction.atomic():
                attempt = _Attempt(candidates, workspace_ids, now)
                attempt.run(all_new=all_new)
        except PeriodClosedMeanwhile:
            continue
        except SomeAreKnown:
            all_new = False
            continue
        except _PeriodsMissing as missing:
            for workspace_id, at in missing.wanted:
                open_period(workspace_id=UUID(workspace_id), at=at, now=now)
            continue
        break
    else:
        raise RuntimeError("billing periods kept closing while usage was recorded")
    # Two batches that ran at once did not see each other's spend; the later one does now.
    if attempt.limited:
        check_limits(workspace_ids=attempt.limited, now=now)
    for error in attempt.refused:
        result.refuse(error)
    existing: list[Candidate] = []
    for candidate, row in attempt.rows:
        if attempt.written.ids is None or row.id in attempt.written.ids:
            result.accept(candidate.index, row, now)
        else:
            existing.append(candidate)
    if existing:
        _answer_existing(existing, result)


class _PeriodsMissing(Exception):
    def __init__(self, wanted: list[tuple[str, dt.datetime]]) -> None:
        super().__init__(wanted)
        self.wanted = sorted(wanted)


class _Attempt:
    """One try at writing a batch, inside a transaction."""

    def __init__(
        self, candidates: list[Candidate], workspace_ids: list[str], now: dt.datetime
    ) -> None:
        self._candidates = candidates
        self._workspace_ids = workspace_ids
        self._now = now
        self.refused: list[RecordError] = []
        self.rows: list[tuple[Candidate, Row]] = []
        self.written = Written(0, None)
        self.limited: list[UUID] = []

    def run(self, *, all_new: bool) -> None:
        connection.ensure_connection()
        cursor = psycopg.Cursor(connection.connection)
        terms = read_terms(cursor, self._workspace_ids)
        self._price(terms)
        if not self.rows:
            return
        self.written = write(
            cursor,
            [row for _, row in self.rows],
            slot=terms.slot,
            created_at=self._now.isoformat(),
            all_new=all_new,
        )
        if not self.written.new:
            return
        self.limited = [
            UUID(workspace_id)
            for workspace_id, workspace in terms.workspaces.items()
            if workspace.is_limited
        ]
        if self.limited:
            check_limits(workspace_ids=self.limited, now=self._now)

    def _price(self, terms: BatchTerms) -> None:
        """Finish each row: its period and its costs.

        Raises `_PeriodsMissing`, with the first time seen of each local month, when periods have
        to be opened first.
        """
        missing: dict[tuple[str, int, int], dt.datetime] = {}
        for candidate in self._candidates:
            workspace = terms.workspaces.get(candidate.workspace_id)
            if workspace is None:
                self.refused.append(unknown_workspace(candidate.index))
            elif workspace.is_closed:
                self.refused.append(
                    RecordError(
                        candidate.index,
                        "workspace_closed",
                        "workspace_id",
                        "This workspace is closed.",
                    )
                )
            elif (routed := workspace.route(candidate.occurred_at)) is None:
                at = workspace.must_open_at(candidate.occurred_at)
                local = at.astimezone(workspace.zone)
                missing.setdefault((candidate.workspace_id, local.year, local.month), at)
            else:
                row = _finish(candidate, workspace, routed)
                if row is None:
                    self.refused.append(_too_expensive(candidate.index))
                else:
                    self.rows.append((candidate, row))
        if missing:
            raise _PeriodsMissing([(key[0], at) for key, at in missing.items()])


def _finish(candidate: Candidate, workspace: Terms, routed: Routed) -> Row | None:
    """The finished row; None when it costs more than its column holds."""
    rated = rate(candidate.quantity, candidate.unit_cost, workspace.factor)
    if rated.final_cost >= _COST_LIMIT:
        return None
    return Row(
        candidate.id,
        candidate.workspace_id,
        routed.period_id,
        candidate.call_id,
        candidate.occurred_at.isoformat(),
        routed.usage_date,
        "t" if routed.late else "f",
        candidate.idempotency_key,
        candidate.resource_type,
        candidate.provider,
        candidate.quantity_text,
        candidate.unit_cost_text,
        str(rated.total_cost),
        workspace.markup_text,
        str(rated.final_cost),
    )


_EXISTING = """
SELECT id, workspace_id, call_id, resource_type, provider, quantity, unit_cost, total_cost,
       markup_percentage, final_cost, billing_period_id, late, idempotency_key, occurred_at,
       created_at
  FROM usage_usagerecord WHERE id = ANY(%s::uuid[])
"""


def _answer_existing(candidates: list[Candidate], result: Recorded) -> None:
    """Keys that were there before: duplicates where the payload agrees, else refused.

    A statement of its own, after the commit: it sees records that another transaction committed
    while this one waited for it.
    """
    connection.ensure_connection()
    with psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(_EXISTING, [[candidate.id for candidate in candidates]])
        stored = {row[0].hex: Stored(*row) for row in cursor}
    for candidate in candidates:
        found = stored[candidate.id]
        if _agrees(candidate, found):
            result.repeat(candidate.index, found)
        else:
            result.refuse(_key_reused(candidate.index))


def _agrees(candidate: Candidate, stored: Stored) -> bool:
    return (
        candidate.resource_type == stored.resource_type
        and candidate.provider == stored.provider
        and candidate.quantity == stored.quantity
        and candidate.unit_cost == stored.unit_cost
        and candidate.call_id == (stored.call_id.hex if stored.call_id else None)
        and (not candidate.occurred_at_given or candidate.occurred_at == stored.occurred_at)
    )


def unknown_workspace(index: int) -> RecordError:
    return RecordError(index, "unknown_workspace", "workspace_id", "There is no such workspace.")


def _too_expensive(index: int) -> RecordError:
    return RecordError(
        index, "too_large", "quantity", "Quantity times unit cost has more than 18 digits."
    )


def _key_reused(index: int) -> RecordError:
    return RecordError(
        index,
        "idempotency_key_reused",
        "idempotency_key",
        "This key was used before, for another record.",
    )
