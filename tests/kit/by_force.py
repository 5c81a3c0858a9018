"""What the owner of the tables can do: change what no trigger would let anyone change."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction


def by_force(statement: str, *values: Any) -> None:
    """An UPDATE of one table, or a DELETE from one, with its triggers off."""
    table = statement.removeprefix("DELETE FROM ").removeprefix("UPDATE ").split()[0]
    with transaction.atomic(), connection.cursor() as cursor:
        # A table with a check still to be made takes no ALTER.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        cursor.execute(statement, values)
        cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
        # The end of a test whose rows are its module's does not take that back.
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")


@contextmanager
def changed_by_force(*statements: str) -> Iterator[None]:
    """Within it only: all of it is taken back at the end."""
    with transaction.atomic():
        for statement in statements:
            by_force(statement)
        yield
        transaction.set_rollback(True)
