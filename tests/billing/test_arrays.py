"""Array parameters arrive in PostgreSQL as the values that they were made of."""

import datetime as dt
from uuid import UUID

import pytest

from billing.prepared import (
    date_array,
    prepared_cursor,
    sparse_uuid_array,
    time_array,
    uuid_array,
)

pytestmark = pytest.mark.django_db
ACME = "0189aa00-0000-7000-8000-00000000ACE0"
GLOBEX = UUID("ffffffff-ffff-ffff-ffff-ffffffffffff")


def arrived(kind: str, value: object) -> list[object]:
    with prepared_cursor() as cursor:
        cursor.execute(f"SELECT %s::{kind}[]", [value], prepare=True)
        return cursor.fetchone()[0]


def test_ids_with_dashes_and_without_and_nulls_among_them():
    assert arrived("uuid", uuid_array([ACME, None, GLOBEX.hex])) == [UUID(ACME), None, GLOBEX]
    assert arrived("uuid", uuid_array([GLOBEX.hex, ACME])) == [GLOBEX, UUID(ACME)]
    assert arrived("uuid", uuid_array([])) == []


def test_ids_that_nobody_has_are_an_empty_array():
    assert arrived("uuid", sparse_uuid_array([None, None])) == []
    assert arrived("uuid", sparse_uuid_array([None, ACME])) == [None, UUID(ACME)]


def test_days_before_and_after_the_epoch_of_postgresql():
    days = ["2026-11-26", "2000-01-01", "1999-12-31", "2024-02-29"]

    assert arrived("date", date_array(days)) == [dt.date.fromisoformat(day) for day in days]


def test_times_to_the_microsecond_and_of_any_offset():
    times = [
        dt.datetime(2026, 11, 26, 23, 59, 59, 999999, tzinfo=dt.UTC),
        dt.datetime(1999, 12, 31, 23, 59, 59, 1, tzinfo=dt.UTC),
        dt.datetime(2026, 10, 25, 2, 30, tzinfo=dt.timezone(dt.timedelta(hours=2))),
    ]

    assert arrived("timestamptz", time_array(times)) == times
