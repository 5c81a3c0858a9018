"""Cursor for statements that are prepared on the server once for a connection."""

import itertools
import re
from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakSet

import psycopg
from django.db import connection

# Left to itself, PostgreSQL plans a prepared statement anew each time that the values promise a
# plan that looks a little cheaper, which then costs three times what the statement does.
_PLAN_ONCE = "SET plan_cache_mode = force_generic_plan"
_planning_once: WeakSet[psycopg.Connection] = WeakSet()


def numbered(statement: str) -> bytes:
    """A statement with `$1`, `$2`, ... for its `%s`, in one line, as a numbered cursor takes it."""
    numbers = itertools.count(1)
    text = re.sub("%s", lambda _: f"${next(numbers)}", " ".join(statement.split()))
    return text.replace("%%", "%").encode()


@contextmanager
def prepared_cursor(*, is_numbered: bool = False) -> Iterator[psycopg.Cursor]:
    """A cursor on Django's connection; ask for `prepare=True` with each statement.

    With `is_numbered` it takes what `numbered` gives, and reads nothing in it: psycopg remembers
    where the `%s` of a statement are only up to 4,096 characters, and looks for them anew each time
    in longer ones.

    Write statements whose plan is good for all values. Django's own cursors bind parameters on the
    client and prepare nothing. Errors are raised as `django.db.Error`, as they are there; what is
    caught inside of the block is psycopg's.
    """
    connection.ensure_connection()
    raw: psycopg.Connection = connection.connection
    kind = psycopg.RawCursor if is_numbered else psycopg.Cursor
    with connection.wrap_database_errors, kind(raw) as cursor:
        # A transaction that is rolled back would take the setting with it.
        if raw.autocommit and raw not in _planning_once:
            cursor.execute(_PLAN_ONCE)
            _planning_once.add(raw)
        yield cursor
