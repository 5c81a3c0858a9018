"""The backend that `DATABASES` names: Django's, which does not wait for a server that hangs.

A PostgreSQL may be stopped, out of processor time, or waiting for its disk. Its machine goes on
answering for it, so neither keepalives nor `tcp_user_timeout` see anything. A statement may also
take long for good reasons (a lock, a month of a million records), so there is no time that each
must keep. Whoever has heard nothing for some seconds asks the server something that any answers at
once; when it does not, the connection is given up.
"""

import datetime as dt
import logging
import mmap
import os
import socket
import struct
import threading
import time
from collections.abc import Generator
from typing import Any, ClassVar, NamedTuple

import psycopg
from django.db.backends.postgresql import base, operations, psycopg_any
from psycopg.rows import Row

from billing.audit import attribute

log = logging.getLogger(__name__)
# So long nothing may be heard before the server is asked, and so long it has to answer.
QUIET_SECONDS = 5.0
ANSWER_SECONDS = 3.0
# An answer is as good as a new one for whoever asks within this time.
_FRESH_SECONDS = 1.0
# "Do you speak TLS?" is answered with one byte, by every server, without signing in.
_SSL_REQUEST = struct.pack("!ii", 8, 80877103)
# Left to itself, PostgreSQL plans a prepared statement anew each time that the values promise a
# plan that looks a little cheaper, which then costs three times what the statement does.
_PLAN_ONCE = "SET plan_cache_mode = force_generic_plan"
# When any server was last found to hang, by this process or one that was forked from the same:
# whoever waits, or wants a connection, asks its own at once. In memory that all of them share.
_noticed = memoryview(mmap.mmap(-1, 8)).cast("d")


class Server(NamedTuple):
    """Where one server listens: its host's name and address, or the directory of its socket."""

    host: str
    address: str
    port: str

    @classmethod
    def of(cls, connection: psycopg.Connection[Any]) -> "Server":
        raw = connection.pgconn
        host, address = os.fsdecode(raw.host), os.fsdecode(raw.hostaddr)
        return cls(host, address or host, os.fsdecode(raw.port))

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    def answers(self, *, within: float) -> bool:
        """Whether it says anything. One that refuses is not hanging: its connections end."""
        return _answers(self.address, self.port, within=within)

    def is_answered_for(self, *, within: float) -> bool:
        """Whether it, or another that has its name by now, says anything."""
        return _answers(self.host, self.port, within=within)


def _answers(host: str, port: str, *, within: float) -> bool:
    try:
        with _connect(host, port, within) as link:
            link.sendall(_SSL_REQUEST)
            link.recv(1)
    except (TimeoutError, BlockingIOError):  # the latter: nobody takes what waits at a socket
        return False
    except OSError:
        return True
    return True


def _connect(host: str, port: str, within: float) -> socket.socket:
    if not host.startswith(("/", "@")):
        return socket.create_connection((host, int(port)), timeout=within)
    link = socket.socket(socket.AF_UNIX)
    link.settimeout(within)
    name = f"{host}/.s.PGSQL.{port}"
    try:
        link.connect("\0" + name[1:] if name.startswith("@") else name)
    except OSError:
        link.close()
        raise
    return link


class Watch:
    """What this process knows about one server; many threads ask, and one question is enough."""

    _watches: ClassVar[dict[Server, "Watch"]] = {}

    def __init__(self, server: Server) -> None:
        self._server = server
        self._lock = threading.Lock()
        self._asked_at = float("-inf")
        self._answered = True

    @classmethod
    def over(cls, server: Server) -> "Watch":
        return cls._watches.setdefault(server, cls(server))

    def answers(self) -> bool:
        """Whether this very server does; asked by who waits for it."""
        with self._lock:
            if not self._is_fresh():
                self._note(self._server.answers(within=ANSWER_SECONDS))
            return self._answered

    def hangs(self) -> bool:
        """Whether it did not answer when it was last asked, and still does not.

        One thread asks again; while it does, others take it that nothing has changed.
        """
        if self._answered and self._asked_at >= _noticed[0]:
            return False
        if not self._lock.acquire(blocking=self._answered):
            return True
        try:
            if not self._is_fresh():
                self._note(self._server.is_answered_for(within=_FRESH_SECONDS))
            return not self._answered
        finally:
            self._lock.release()

    def _is_fresh(self) -> bool:
        return self._asked_at > max(_noticed[0], time.monotonic() - _FRESH_SECONDS)

    def _note(self, answered: bool) -> None:
        if answered and not self._answered:
            log.warning("PostgreSQL at %s answers again", self._server)
        elif self._answered and not answered:
            log.error("PostgreSQL at %s does not answer", self._server)
        self._answered = answered
        if not answered:
            _noticed[0] = time.monotonic()
        self._asked_at = time.monotonic()


class WatchedConnection(psycopg.Connection[Row]):
    """psycopg's, which waits for a statement only as long as its server answers others."""

    def wait(self, gen: Any, *args: Any, **options: Any) -> Any:
        return super().wait(self._watched(gen), *args, **options)

    def _watched(self, gen: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        """`gen`, while psycopg resumes it: with what the socket is ready for, or several times a
        second with nothing."""
        heard_at = time.monotonic()
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if ready:
                    heard_at = time.monotonic()
                elif time.monotonic() - heard_at > QUIET_SECONDS or heard_at < _noticed[0]:
                    self._ask_server()
                    heard_at = time.monotonic()
                wanted = gen.send(ready)
        except StopIteration as done:
            return done.value

    def _ask_server(self) -> None:
        server = Server.of(self)
        if not Watch.over(server).answers():
            self.close()
            raise psycopg.OperationalError(f"PostgreSQL at {server} does not answer")


class TimeLoader(psycopg_any.BaseTzLoader):
    """Django's, for a session in UTC: as Python reads the time itself, in a tenth of the time."""

    timezone = dt.UTC

    def load(self, data: Any) -> dt.datetime:
        try:
            return dt.datetime.fromisoformat(bytes(data).decode())
        except ValueError:  # infinity, and years that Python has not: as psycopg refuses them
            return super().load(data)


class DatabaseOperations(operations.DatabaseOperations):
    def last_executed_query(self, cursor: Any, sql: Any, params: Any) -> str:
        """With its values also where they were bound on the server (`billing.prepared`)."""
        if isinstance(cursor, base.ServerBindingCursor):
            return str(self.compose_sql(sql, params))
        return super().last_executed_query(cursor, sql, params)


class DatabaseWrapper(base.DatabaseWrapper):
    ops_class = DatabaseOperations
    # The last server of each database that gave a connection.
    _servers: ClassVar[dict[str, Server]] = {}

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.execute_wrappers.append(attribute)

    def get_connection_params(self) -> dict[str, Any]:
        params = super().get_connection_params()
        if self.timezone == dt.UTC:
            adapters = psycopg.adapt.AdaptersMap(params["context"])
            adapters.register_loader("timestamptz", TimeLoader)
            params["context"] = adapters
        return params

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """While the server is known to hang, nobody waits for it or for the pool."""
        server = self._only_server()
        if server is not None and Watch.over(server).hangs():
            raise psycopg.OperationalError(f"PostgreSQL at {server} does not answer")
        connection = super().get_new_connection(conn_params)
        self._servers[self.alias] = Server.of(connection)
        return connection

    def _configure_connection(self, connection: Any) -> bool:
        """Django's, for each connection that is opened."""
        connection.execute(_PLAN_ONCE)
        super()._configure_connection(connection)  # type: ignore[misc] # not in the stubs
        return True

    def _only_server(self) -> Server | None:
        """None with several hosts, of which another may have taken over, and with libpq's own."""
        host, port = self.settings_dict["HOST"], str(self.settings_dict["PORT"])
        if not host or "," in host:
            return None
        return self._servers.get(self.alias) or Server(host, host, port or "5432")
