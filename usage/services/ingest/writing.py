"""Running the write statement, and what became of it; in two where records are distributed."""

import datetime as dt
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import NamedTuple

import psycopg
from django.db import connection

from billing.prepared import (
    EMPTY,
    BinaryArray,
    array,
    date_array,
    prepared_cursor,
    sparse_array,
    sparse_text_array,
    sparse_uuid_array,
    text_array,
    time_array,
    uuid_array,
)
from usage.services.distribution import records_are_distributed
from usage.services.ingest import statement
from usage.services.ingest.agents import agents_of_calls
from usage.services.ingest.entries import PricedRecord, RecordRow, row_of
from usage.services.ingest.pricing import PricingTerms

# Of twenty-odd values each.
_ROWS_A_STATEMENT = 500


class Written(NamedTuple):
    """How many rows are new; which, when not all are; the agents of those that have a call, if
    asked for. Ids are of 32 hex digits."""

    new: int
    ids: set[str] | None
    agents: dict[str, str]


class SomeAreKnown(Exception):
    """A batch written as new has keys that are known: write it skipping those."""


class PricingTermsChanged(Exception):
    """What the records were priced by, or their period, is no longer so: read it again."""


class LimitsNear(Exception):
    """`periods` (32 hex digits each) need their limit checked with the write."""

    def __init__(self, periods: frozenset[str]) -> None:
        super().__init__(", ".join(sorted(periods)))
        self.periods = periods


def write(
    records: Sequence[PricedRecord],
    terms: Mapping[str, PricingTerms],
    *,
    created_at: dt.datetime,
    all_new: bool,
    checked: Collection[str] = (),
    with_agents: bool = True,
) -> Written:
    """Insert `records`, priced, sorted by workspace and id, each id once; add what is new to
    rollups and counters. `terms` by workspace id: what they were priced by.

    The caller checks the limits of the periods `checked` (32 hex digits each) in the same
    transaction, and sees all that is spent in them. For others, raises `LimitsNear` when something
    may have to happen. With `all_new`, raises `SomeAreKnown` when that is not so, unless it is one
    record; else known ones are skipped. Raises `PricingTermsChanged`. Each time nothing was
    written, and a transaction around it has to be undone.
    """
    if records_are_distributed():
        agents = agents_of_calls(records)
        rows = [row_of(each, agents.get(each.id)) for each in records]
        insert = _copy if all_new and len(rows) > 1 else _insert
        return _write_apart(rows, insert(rows, created_at, {}), terms, _limits(terms, checked))
    has_agents = any(each.has_agents for each in terms.values())
    if len(records) == 1:
        record = records[0]
        has_dimensions = has_agents or record.agent_id is not None or record.model is not None
        single = [created_at.isoformat(), has_agents, *row_of(record), has_dimensions]
        return _execute(statement.SINGLE, single, 1, terms, _limits(terms, checked), with_agents)
    columns: list[str | BinaryArray] = [
        uuid_array([each.id for each in records]),
        uuid_array([each.workspace_id for each in records]),
        uuid_array([each.period_day.period_id for each in records]),
        uuid_array([each.call_id for each in records]),
        time_array([each.occurred_at for each in records]),
        date_array([each.period_day.usage_date for each in records]),
        array(["t" if each.period_day.late else "f" for each in records]),
        text_array([each.idempotency_key for each in records]),
        text_array([each.resource_type for each in records]),
        text_array([each.provider for each in records]),
        array([each.quantity_text for each in records]),
        array([each.unit_cost_text for each in records]),
        array([each.total_cost for each in records]),
        array([each.markup or "NULL" for each in records]),
        array([each.final_cost for each in records]),
        sparse_uuid_array([each.rate_id for each in records]),
        sparse_array([each.billed_quantity for each in records]),
        (models := sparse_text_array([each.model for each in records])),
        sparse_array([each.cost_currency for each in records]),
        sparse_array([each.exchange_rate for each in records]),
        sparse_array([each.cost_state for each in records]),
        sparse_uuid_array(named := [each.agent_id for each in records]),
    ]
    text = statement.NEW if all_new else statement.SKIP
    has_dimensions = has_agents or any(named) or models != EMPTY
    values = [created_at.isoformat(), has_agents, *columns, has_dimensions]
    return _execute(text, values, len(records), terms, _limits(terms, checked), with_agents)


class Correction(NamedTuple):
    """Of which records (ids) one is the reversal or the true-up, and why."""

    reverses: str | None
    trues_up: str | None
    reason: str | None


def write_correction(
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
    limits = _limits(known_terms, checked)
    if Decimal(row.final_cost) <= 0:
        limits = limits._replace(watched={}) if checked else _NO_LIMITS
    if records_are_distributed():
        known = {
            "reverses_id": correction.reverses,
            "trues_up_id": correction.trues_up,
            "reason": correction.reason,
        }
        inserted = _insert([row], created_at, known)
        return _write_apart([row], inserted, known_terms, limits)
    has_dimensions = row.agent_id is not None or row.model is not None
    values = [created_at.isoformat(), *correction, *row, has_dimensions]
    return _execute(statement.CORRECTION, values, 1, known_terms, limits, with_agents=False)


def _copy(
    rows: Sequence[RecordRow], created_at: dt.datetime, more: Mapping[str, str | None]
) -> None:
    """All of them, or `SomeAreKnown`."""
    at = created_at.isoformat()
    with _client_cursor() as cursor, _refusals():
        try:
            with cursor.copy(statement.COPY) as copy:
                for row in rows:
                    copy.write_row((*row, at))
        except psycopg.errors.InternalError_ as error:
            # What a worker refuses within COPY arrives without its code. Written as rows, keys
            # that are known are skipped, and anything else is refused again under its own name.
            raise SomeAreKnown from error


def _insert(
    rows: Sequence[RecordRow], created_at: dt.datetime, more: Mapping[str, str | None]
) -> set[str]:
    """Those that are not known yet: their ids."""
    names = [*statement.COLUMNS, "created_at", *more]
    one = f"({', '.join(['%s'] * len(names))})"
    ids: set[str] = set()
    with _client_cursor() as cursor, _refusals():
        for start in range(0, len(rows), _ROWS_A_STATEMENT):
            some = rows[start : start + _ROWS_A_STATEMENT]
            text = statement.INSERT_ROWS.format(
                columns=", ".join(names), rows=", ".join([one] * len(some))
            )
            at = created_at.isoformat()
            values = [each for row in some for each in (*row, at, *more.values())]
            cursor.execute(text, values)
            ids |= {found[0].hex for found in cursor}
    return ids


def _write_apart(
    rows: Sequence[RecordRow],
    inserted: set[str] | None,
    terms: Mapping[str, PricingTerms],
    limits: "_Limits",
) -> Written:
    """Count the `inserted` ones of `rows` (None: all of them), in the transaction they are in."""
    new = rows if inserted is None else [row for row in rows if row.id in inserted]
    if new:
        columns: list[str | bool] = [
            array([row.id for row in new]),
            array([row.workspace_id for row in new]),
            array([row.billing_period_id for row in new]),
            array([row.usage_date for row in new]),
            text_array([row.resource_type for row in new]),
            text_array([row.provider for row in new]),
            sparse_array([row.rate_id for row in new]),
            array([row.quantity for row in new]),
            sparse_array([row.billed_quantity for row in new]),
            array([row.total_cost for row in new]),
            array([row.final_cost for row in new]),
            sparse_array([row.agent_id for row in new]),
            sparse_text_array([row.model for row in new]),
            True,
        ]
        _execute(statement.COUNT, columns, 0, terms, limits)
    agents = {row.id: row.agent_id for row in new if row.call_id and row.agent_id}
    return Written(len(new), None if len(new) == len(rows) else inserted, agents)


@contextmanager
def _client_cursor() -> Iterator[psycopg.ClientCursor]:
    """Statements with their values in them: a plan is for these rows alone, wherever they go."""
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.ClientCursor(connection.connection) as cursor:
        yield cursor


@contextmanager
def _refusals() -> Iterator[None]:
    """What the database refuses a write for, as this module names it."""
    try:
        yield
    except psycopg.errors.UniqueViolation as error:
        raise SomeAreKnown from error
    except psycopg.errors.ForeignKeyViolation as error:
        # The table's own guard against closed periods comes first when one has just closed.
        raise PricingTermsChanged from error
    except psycopg.DatabaseError as error:
        if error.sqlstate == statement.CHANGED:
            raise PricingTermsChanged from error
        if error.sqlstate == statement.LIMITS_NEAR:
            raise LimitsNear(_ids(error.diag.message_detail or "")) from error
        raise


class _Limits(NamedTuple):
    """`held`: periods whose counters are locked before they are counted in, in one order with the
    whole of the `checked` ones. `watched`: those that must stay below what was found safe under
    this version of their workspace's settings."""

    held: Collection[str]
    checked: Collection[str]
    watched: Mapping[str, str]


_NO_LIMITS = _Limits((), (), {})


def _limits(terms: Mapping[str, PricingTerms], checked: Collection[str]) -> _Limits:
    watched = {
        period.id: each.versions.settings
        for each in terms.values()
        if each.is_limited
        for period in each.periods
        if period.id not in checked
    }
    if not checked:
        return _Limits((), (), watched)
    held = [period.id for each in terms.values() for period in each.periods]
    return _Limits(held, checked, watched)


def _execute(
    text: bytes,
    values: Sequence[str | bool | BinaryArray | None],
    count: int,
    terms: Mapping[str, PricingTerms],
    limits: _Limits,
    with_agents: bool | None = None,
) -> Written:
    """`with_agents` is None for a statement that is not asked for them."""
    versions = [each.versions for each in terms.values()]
    shared = {(each.platform, each.prices) for each in versions}
    if len(shared) != 1:
        # Read at different times, with a change between them.
        raise PricingTermsChanged
    read = [
        array(limits.held),
        array(limits.checked),
        *shared.pop(),
        array(terms),
        array([each.workspace for each in versions]),
        array([each.settings for each in versions]),
        len(versions),
        array(limits.watched),
        array(limits.watched.values()),
    ]
    asked = [] if with_agents is None else [with_agents]
    with prepared_cursor(is_numbered=True) as cursor, _refusals():
        cursor.execute(text, [*values, *read, count, *asked], prepare=True)
        found = cursor.fetchone()
    if found is None:
        raise RuntimeError("the write statement always answers one row")
    new, ids, agents = found
    return Written(
        new,
        None if ids is None else set(ids),
        {pair[:32]: pair[32:] for pair in agents or ()},
    )


def _ids(array: str) -> frozenset[str]:
    """The ids of an array of UUIDs as PostgreSQL writes it."""
    return frozenset(array.strip("{}").replace("-", "").split(","))
