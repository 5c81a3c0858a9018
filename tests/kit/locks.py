"""Waiting until somebody waits for a lock, in tests of who goes first."""

import time

import pytest
from django.db import connection


def wait_until_somebody_waits() -> None:
    """For a lock in the tests' own database, of a row or of a table."""
    for _ in range(500):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            if cursor.fetchone()[0]:
                return
        time.sleep(0.01)
    pytest.fail("nobody waits for a lock")
