"""Waiting until somebody waits for a lock, in tests of who goes first."""

from django.db import connection

from tests.kit.waiting import wait_until


def wait_until_somebody_waits() -> None:
    wait_until(somebody_waits, what="nobody waits for a lock")


def somebody_waits() -> bool:
    """For a lock in the tests' own database, of a row or of a table."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return bool(cursor.fetchone()[0])
