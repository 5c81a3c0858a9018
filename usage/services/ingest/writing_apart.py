"""Records written where they are distributed over servers: sent as rows, then counted by a second
statement, in one transaction."""

import datetime as dt
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

import psycopg
from django.db import connection

from billing.prepared import array, sparse_array, sparse_text_array, text_array
from usage.services.ingest import statement
from usage.services.ingest.agents import agents_of_calls
from usage.services.ingest.checking import PricedRecord
from usage.services.ingest.pricing import PricingTerms
from usage.services.ingest.writing import (
    Limits,
    RecordRow,
    SomeAreKnown,
    Written,
    execute,
    limits_of,
    refusals,
    row_of,
)

# Of twenty-odd values each.
_ROWS_A_STATEMENT = 500


def write_apart(
    records: Sequence[PricedRecord],
    terms: Mapping[str, PricingTerms],
    *,
    created_at: dt.datetime,
    all_new: bool,
    checked: Collection[str] = (),
    with_agents: bool = True,
) -> Written:
    """As `write`; the agents of calls are always asked for."""
    agents = agents_of_calls(records)
    rows = [row_of(each, agents.get(each.id)) for each in records]
    insert = copy_rows if all_new and len(rows) > 1 else insert_rows
    return count_rows(rows, insert(rows, created_at, {}), terms, limits_of(terms, checked))


def copy_rows(
    rows: Sequence[RecordRow], created_at: dt.datetime, more: Mapping[str, str | None]
) -> None:
    """All of them, or `SomeAreKnown`."""
    at = created_at.isoformat()
    with _client_cursor() as cursor, refusals():
        try:
            with cursor.copy(statement.COPY) as copy:
                for row in rows:
                    copy.write_row((*row, at))
        except psycopg.errors.InternalError_ as error:
            # What a worker refuses within COPY arrives without its code. Written as rows, keys
            # that are known are skipped, and anything else is refused again under its own name.
            raise SomeAreKnown from error


def insert_rows(
    rows: Sequence[RecordRow], created_at: dt.datetime, more: Mapping[str, str | None]
) -> set[str]:
    """Those that are not known yet: their ids."""
    names = [*statement.COLUMNS, "created_at", *more]
    one = f"({', '.join(['%s'] * len(names))})"
    ids: set[str] = set()
    with _client_cursor() as cursor, refusals():
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


def count_rows(
    rows: Sequence[RecordRow],
    inserted: set[str] | None,
    terms: Mapping[str, PricingTerms],
    limits: Limits,
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
        execute(statement.COUNT, columns, 0, terms, limits)
    agents = {row.id: row.agent_id for row in new if row.call_id and row.agent_id}
    return Written(len(new), None if len(new) == len(rows) else inserted, agents)


@contextmanager
def _client_cursor() -> Iterator[psycopg.ClientCursor]:
    """Statements with their values in them: a plan is for these rows alone, wherever they go."""
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.ClientCursor(connection.connection) as cursor:
        yield cursor
