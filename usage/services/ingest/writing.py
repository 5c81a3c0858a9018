"""A record as a row: its values, the statement that writes it, and what became of it."""

import datetime as dt
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

import psycopg
from django.db import connection

from billing.prepared import (
    EMPTY,
    BinaryArray,
    array,
    date_array,
    sparse_array,
    sparse_text_array,
    sparse_uuid_array,
    text_array,
    time_array,
    uuid_array,
)
from usage.services.ingest import statement
from usage.services.ingest.checking import PricedRecord, Stored
from usage.services.ingest.fields import FINAL
from usage.services.ingest.pricing import PricingTerms


class RecordRow(NamedTuple):
    """A finished record as text, as PostgreSQL takes it; columns as in `statement.COLUMNS`."""

    id: str
    workspace_id: str
    billing_period_id: str
    call_id: str | None
    occurred_at: str
    usage_date: str
    late: str
    idempotency_key: str
    resource_type: str
    provider: str
    quantity: str
    unit_cost: str
    total_cost: str
    markup_percentage: str | None
    final_cost: str
    rate_id: str | None
    billed_quantity: str | None
    model: str | None
    cost_currency: str | None
    exchange_rate: str | None
    cost_state: str | None
    agent_id: str | None


def row_of(record: PricedRecord, agent_of_call: str | None = None) -> RecordRow:
    return RecordRow(
        record.id,
        record.workspace_id,
        record.period_day.period_id,
        record.call_id,
        record.occurred_at.isoformat(),
        record.period_day.usage_date,
        "t" if record.period_day.late else "f",
        record.idempotency_key,
        record.resource_type,
        record.provider,
        record.quantity_text,
        record.unit_cost_text,
        record.total_cost,
        record.markup,
        record.final_cost,
        record.rate_id,
        record.billed_quantity,
        record.model,
        record.cost_currency,
        record.exchange_rate,
        record.cost_state,
        agent_of_call or record.agent_id,
    )


def as_stored(record: PricedRecord, created_at: dt.datetime) -> Stored:
    """What the database holds for it now: itself, or what had its key before."""
    if record.existing is not None:
        return record.existing
    if not record.period_day.period_id:
        raise ValueError("a record that was not priced is not stored")
    return Stored(
        UUID(record.id),
        UUID(record.workspace_id),
        _uuid(record.call_id),
        record.resource_type,
        record.provider,
        record.quantity,
        record.unit_cost,
        Decimal(record.total_cost),
        None if record.markup is None else Decimal(record.markup),
        Decimal(record.final_cost),
        UUID(record.period_day.period_id),
        record.period_day.late,
        record.idempotency_key,
        record.occurred_at,
        created_at,
        record.quantity if record.billed_quantity is None else Decimal(record.billed_quantity),
        _uuid(record.rate_id),
        record.model,
        record.cost_currency,
        None if record.exchange_rate is None else Decimal(record.exchange_rate),
        record.cost_state or FINAL,
        _uuid(record.agent_of_call or record.agent_id),
    )


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
    has_agents = any(each.has_agents for each in terms.values())
    if len(records) == 1:
        record = records[0]
        has_dimensions = has_agents or record.agent_id is not None or record.model is not None
        single = [created_at.isoformat(), has_agents, *row_of(record), has_dimensions]
        return execute(statement.SINGLE, single, 1, terms, limits_of(terms, checked), with_agents)
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
    return execute(text, values, len(records), terms, limits_of(terms, checked), with_agents)


@contextmanager
def refusals() -> Iterator[None]:
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


class Limits(NamedTuple):
    """`held`: periods whose counters are locked before they are counted in, in one order with the
    whole of the `checked` ones. `watched`: those that must stay below what was found safe under
    this version of their workspace's settings."""

    held: Collection[str]
    checked: Collection[str]
    watched: Mapping[str, str]


NO_LIMITS = Limits((), (), {})


def limits_of(terms: Mapping[str, PricingTerms], checked: Collection[str]) -> Limits:
    watched = {
        period.id: each.versions.settings
        for each in terms.values()
        if each.is_limited
        for period in each.periods
        if period.id not in checked
    }
    if not checked:
        return Limits((), (), watched)
    held = [period.id for each in terms.values() for period in each.periods]
    return Limits(held, checked, watched)


def execute(
    text: bytes,
    values: Sequence[str | bool | BinaryArray | None],
    count: int,
    terms: Mapping[str, PricingTerms],
    limits: Limits,
    with_agents: bool | None = None,
) -> Written:
    """`with_agents` is None for a statement that is not asked for them."""
    versions = [each.versions for each in terms.values()]
    shared = {(each.platform, each.prices) for each in versions}
    if len(shared) != 1:
        # Read at different times, with a change between them.
        raise PricingTermsChanged
    owners = (terms, [each.workspace for each in versions], [each.settings for each in versions])
    lists = (limits.held, limits.checked, *owners, limits.watched, limits.watched.values())
    held, checked, *known, watched, settings = ["{" + ",".join(each) + "}" for each in lists]
    read = [held, checked, *shared.pop(), *known, len(versions), watched, settings]
    asked = [] if with_agents is None else [with_agents]
    connection.ensure_connection()
    # The statement is `numbered`. psycopg remembers where the `%s` of others are only up to 4,096
    # characters, and looks for them anew each time in longer ones.
    raw_cursor = psycopg.RawCursor(connection.connection)
    with connection.wrap_database_errors, raw_cursor as cursor, refusals():
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


def _uuid(text: str | None) -> UUID | None:
    return None if text is None else UUID(text)
