"""Statements that are asked all the time, prepared on the server once for a connection."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from django.db import connection


@contextmanager
def prepared_cursor() -> Iterator[psycopg.Cursor]:
    """A cursor on Django's connection; ask for `prepare=True` with each statement.

    Django's own cursors bind parameters on the client and prepare nothing. Errors are raised as
    `django.db.Error`, as they are there; what is caught inside of the block is psycopg's.
    """
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        yield cursor
