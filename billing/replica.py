"""Reads that may lag: from a streaming replica, where there is one and it keeps up.

Only what says as of when it is goes there: finance's figures, what-ifs and exports. Limits,
admission, the close and whatever writes read the primary, where `lagging_reads` is never entered.
"""

import datetime as dt
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

from django.conf import settings
from django.db import DatabaseError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

log = logging.getLogger(__name__)
PRIMARY, REPLICA = "default", "replica"
# A replica that could not be asked is left alone until then: each try may take seconds.
_LEAVE_SECONDS = 30.0
# The last commit that it has replayed; nothing from a server that is no replica (any more). While
# nothing at all is committed on the primary it grows old, and the primary is read, which is idle.
_REPLAYED = "SELECT pg_last_xact_replay_timestamp() WHERE pg_is_in_recovery()"


class Source(NamedTuple):
    """Where to read: the alias of a database, and as of when that is."""

    alias: str
    as_of: dt.datetime


_reading: ContextVar[str] = ContextVar("reading", default=PRIMARY)
_left_alone: dict[str, float] = {}


class ReplicaRouter:
    """Reads within `lagging_reads` go to the replica; all else, and every write, to the primary."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        return _reading.get()

    def db_for_write(self, model: Any, **hints: Any) -> str:
        return PRIMARY

    def allow_relation(self, one: Any, other: Any, **hints: Any) -> bool:
        return True  # both hold the same rows

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        return db == PRIMARY


def lagging_source(*, now: dt.datetime) -> Source:
    """The replica, if it is not further behind than `DATABASE_REPLICA_MAX_LAG_SECONDS`; else the
    primary, as of now. In a transaction of the primary that is what is read."""
    if REPLICA in settings.DATABASES and not transaction.get_connection(PRIMARY).in_atomic_block:
        replayed = _replayed()
        oldest = now - dt.timedelta(seconds=settings.DATABASE_REPLICA_MAX_LAG_SECONDS)
        if replayed is not None and replayed >= oldest:
            return Source(REPLICA, min(replayed, now))
    return Source(PRIMARY, now)


@contextmanager
def lagging_reads(*, now: dt.datetime) -> Iterator[dt.datetime]:
    """What is read inside may lag; gives as of when it is."""
    source = lagging_source(now=now)
    before = _reading.set(source.alias)
    try:
        yield source.as_of
    finally:
        _reading.reset(before)


def reading_connection() -> BaseDatabaseWrapper:
    """For statements without a model, where those may be read within `lagging_reads`."""
    return connections[_reading.get()]


def _replayed() -> dt.datetime | None:
    if time.monotonic() < _left_alone.get(REPLICA, 0):
        return None
    try:
        with connections[REPLICA].cursor() as cursor:
            cursor.execute(_REPLAYED)
            row = cursor.fetchone()
    except DatabaseError as error:
        log.warning("the replica cannot be read, the primary is: %s", error)
        _left_alone[REPLICA] = time.monotonic() + _LEAVE_SECONDS
        return None
    return row[0] if row else None
