"""All state of an account, in one SQLite file of its directory.

One connection, used by one thread at a time: a request is one transaction (`Store.transaction`),
committed before its answer is sent, so a killed process loses nothing it acknowledged.  The
journal is write-ahead without an fsync for each commit: that survives the end of the process,
and a sandbox need not survive the end of the machine.
"""

import os
import sqlite3
import string
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

Object = dict[str, Any]

# Each byte as a letter or digit.
_LETTERS = ((string.ascii_letters + string.digits) * 5).encode()[:256]

_PACKED_FROM_BYTES = 1024

_SCHEMA = """
CREATE TABLE IF NOT EXISTS object (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    type TEXT NOT NULL,
    customer TEXT,
    lookup TEXT,
    created INTEGER NOT NULL,
    deleted INTEGER NOT NULL DEFAULT 0,
    body BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS object_by_type ON object (type, seq);
CREATE INDEX IF NOT EXISTS object_by_customer ON object (type, customer, seq);
CREATE INDEX IF NOT EXISTS object_by_lookup ON object (type, lookup, seq);
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS idempotency (
    key TEXT PRIMARY KEY,
    method TEXT NOT NULL,
    path TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    status INTEGER NOT NULL,
    body BLOB NOT NULL,
    request_id TEXT NOT NULL,
    created INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS idempotency_by_age ON idempotency (created);
CREATE TABLE IF NOT EXISTS delivery (
    id INTEGER PRIMARY KEY,
    event TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_attempt REAL NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending',
    last_status INTEGER
);
CREATE INDEX IF NOT EXISTS delivery_due ON delivery (state, next_attempt);
"""

_TABLES = ("object", "setting", "idempotency", "delivery")

# What a list of the type is most often narrowed by, besides its customer.
_LOOKUP = {
    "customer": "email",
    "invoiceitem": "invoice",
    "line_item": "invoice",
    "invoice_payment": "invoice",
    "refund": "charge",
    "charge": "payment_intent",
    "dispute": "charge",
    "credit_note": "invoice",
    "credit_note_line_item": "credit_note",
    "subscription_item": "subscription",
    "price": "product",
    "event": "type",
}


class Store:
    """An account's objects by id, newest-first lists, settings, and its own clock."""

    def __init__(self, state_dir: Path, *, account: str = "") -> None:
        self.account = account
        self.lock = threading.RLock()
        self.db = sqlite3.connect(
            state_dir / "sandbox.sqlite3", check_same_thread=False, isolation_level=None
        )
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute("PRAGMA synchronous = OFF")
        self.db.executescript(_SCHEMA)
        self._remembered: dict[str, list[tuple[Any, ...]]] = {}

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Hold the store alone; commit at the end, roll back on an exception."""
        with self.lock:
            self.db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self.db.execute("ROLLBACK")
                raise
            self.db.execute("COMMIT")

    def close(self) -> None:
        """For the end of the process: whoever still waits for the lock waits until then."""
        self.lock.acquire()
        self.db.close()

    def now(self) -> int:
        """Seconds since the epoch by the sandbox's clock, which tests may put forward."""
        return int(time.time()) + int(self.setting("clock_offset", "0"))

    def setting(self, name: str, default: str) -> str:
        with self.lock:
            row = self.db.execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
        return row[0] if row else default

    def set_setting(self, name: str, value: str) -> None:
        self.db.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (name, value))

    def new_id(self, prefix: str, length: int = 24) -> str:
        return f"{prefix}_{os.urandom(length).translate(_LETTERS).decode()}"

    def insert(self, obj: Object) -> Object:
        self.db.execute(
            "INSERT INTO object (id, type, customer, lookup, created, body)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (obj["id"], obj["object"], *_columns(obj), _created(obj), _encode(obj)),
        )
        return obj

    def save(self, obj: Object) -> Object:
        self.db.execute(
            "UPDATE object SET customer = ?, lookup = ?, body = ? WHERE id = ?",
            (*_columns(obj), _encode(obj), obj["id"]),
        )
        return obj

    def mark_deleted(self, obj: Object) -> None:
        """Keep a tombstone: the id still answers, lists no longer show it."""
        self.db.execute(
            "UPDATE object SET deleted = 1, body = ? WHERE id = ?", (_encode(obj), obj["id"])
        )

    def remove(self, identifier: str) -> None:
        self.db.execute("DELETE FROM object WHERE id = ?", (identifier,))

    def find(self, identifier: str, type: str | None = None) -> Object | None:
        """The object, deleted or not; None if there is none of that id (and type)."""
        row = self.db.execute(
            "SELECT body, type FROM object WHERE id = ?", (identifier,)
        ).fetchone()
        if row is None or (type is not None and row[1] != type):
            return None
        return _decode(row[0])

    def clear(self) -> None:
        for table in _TABLES:
            self.db.execute(f"DELETE FROM {table}")  # noqa: S608 - names of our own

    def remember(self) -> None:
        """Keep, for as long as this process lives, what `recall` brings back."""
        for table in _TABLES:
            self._remembered[table] = self.db.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608

    def recall(self) -> None:
        self.clear()
        for table, rows in self._remembered.items():
            for row in rows:
                places = ", ".join("?" * len(row))
                self.db.execute(f"INSERT INTO {table} VALUES ({places})", row)  # noqa: S608

    def seq_of(self, identifier: str, type: str) -> int | None:
        row = self.db.execute(
            "SELECT seq FROM object WHERE id = ? AND type = ?", (identifier, type)
        ).fetchone()
        return row[0] if row else None

    def newest_first(self, type: str, **narrow: Any) -> Iterator[Object]:
        """Live objects of a type, newest first; see `_where` for ``narrow``."""
        yield from self._scan(type, "DESC", narrow)

    def oldest_first(self, type: str, **narrow: Any) -> Iterator[Object]:
        yield from self._scan(type, "ASC", narrow)

    def count(self, type: str, **narrow: Any) -> int:
        where, values = _where(type, narrow)
        query = f"SELECT count(*) FROM object WHERE {where}"  # noqa: S608 - see _where
        return int(self.db.execute(query, values).fetchone()[0])

    def _scan(self, type: str, order: str, narrow: dict[str, Any]) -> Iterator[Object]:
        where, values = _where(type, narrow)
        query = f"SELECT body FROM object WHERE {where} ORDER BY seq {order}"  # noqa: S608
        for (body,) in self.db.execute(query, values):
            yield _decode(body)


def _where(type: str, narrow: dict[str, Any]) -> tuple[str, list[Any]]:
    """``customer``, ``lookup`` (equal), ``before``/``after`` (seq), ``created`` (or its bounds).

    The clauses are made of our own words only; what comes from outside is bound.
    """
    clauses, values = ["type = ?", "deleted = 0"], [type]
    for column in ("customer", "lookup"):
        if narrow.get(column) is not None:
            clauses.append(f"{column} = ?")
            values.append(narrow[column])
    for name, comparison in (("before", "<"), ("after", ">")):
        if narrow.get(name) is not None:
            clauses.append(f"seq {comparison} ?")
            values.append(narrow[name])
    created = narrow.get("created")
    if isinstance(created, dict):
        signs = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
        for name, bound in created.items():
            clauses.append(f"created {signs[name]} ?")
            values.append(bound)
    elif created is not None:
        clauses.append("created = ?")
        values.append(created)
    return " AND ".join(clauses), values


def _columns(obj: Object) -> tuple[Any, Any]:
    customer = obj["id"] if obj["object"] == "customer" else obj.get("customer")
    return customer, obj.get(_LOOKUP.get(obj["object"], ""))


def _created(obj: Object) -> int:
    return int(obj.get("created") or obj.get("date") or 0)


_to_json = msgspec.json.Encoder().encode
_from_json = msgspec.json.Decoder().decode


def _encode(obj: Object) -> bytes:
    body = _to_json(obj)
    return packed(body) if obj["object"] == "event" else body


def _decode(body: bytes) -> Object:
    found: Object = _from_json(unpacked(body))
    return found


def packed(body: bytes) -> bytes:
    """JSON for keeping rather than for reading again and again: a fifth in size."""
    return zlib.compress(body, 1) if len(body) > _PACKED_FROM_BYTES else body


def unpacked(body: bytes) -> bytes:
    return body if body[:1] == b"{" else zlib.decompress(body)
