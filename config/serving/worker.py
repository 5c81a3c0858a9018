"""How a web worker speaks HTTP: uvicorn below gunicorn's processes, with limits that it lacks.

No client may keep a connection for nothing: heads, trailers and what is left unread are bounded in
size, heads, idleness and writing in time (bodies are in `billing.api.bodies`).

All workers wait at one listening socket. Left to themselves, whichever wakes first takes what is
there, and keeps it for as long as the client stays: of ten clients one worker of two may get nine,
which then wait for each other while half of the machine has little to do. So a worker that has more
connections than another leaves a new one to that one for a moment.
"""

import asyncio
import logging
import mmap
import os
import signal
import socket
import sys
from typing import Any

from gunicorn.arbiter import Arbiter  # type: ignore[import-untyped]
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import Server
from uvicorn_worker import UvicornWorker

log = logging.getLogger(__name__)
# What may arrive without being a body or the end of a request: a head, trailers, a chunk's
# extensions. Several times what a browser with cookies sends.
_MAX_UNREAD_BYTES = 32 * 1024
_MAX_HEAD_SECONDS = 15.0
# In this time a client has to take what the connection holds for it.
_MAX_WRITE_SECONDS = 60.0
_MAX_UNSENT_BYTES = 32 * 1024
_MAX_WORKERS = 128
# So long a connection is left to a worker that has fewer; it may be busy, or about to end.
_LEAVE_SECONDS = 0.005
# What asyncio waits when there are no file descriptors left.
_EXHAUSTED_SECONDS = 1.0


class Connections:
    """How many each worker has open, in memory that all share from the fork on."""

    _NOBODY, _LEAVING = -1, 2**31 - 1

    def __init__(self) -> None:
        self._counts = memoryview(mmap.mmap(-1, 4 * _MAX_WORKERS)).cast("i")
        for place in range(_MAX_WORKERS):
            self._counts[place] = self._NOBODY

    def reserve(self) -> int | None:
        """A place for a worker that is about to be forked; None when there are too many."""
        for place, count in enumerate(self._counts):
            if count == self._NOBODY:
                self._counts[place] = 0
                return place
        return None

    def release(self, place: int | None) -> None:
        """The worker that had it has ended."""
        self.note(place, self._NOBODY)

    def leave(self, place: int | None) -> None:
        """This worker takes no more: it is never the one with the fewest."""
        self.note(place, self._LEAVING)

    def note(self, place: int | None, count: int) -> None:
        if place is not None:
            self._counts[place] = count

    def someone_has_fewer(self, than: int) -> bool:
        return any(self._NOBODY < count < than for count in self._counts)


connections = Connections()


class Protocol(HttpToolsProtocol):
    """uvicorn's, within bounds of size and time."""

    _in_head = True
    _unread_bytes = 0
    _progressed = False
    _head_timer: asyncio.TimerHandle | None = None
    _write_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=_MAX_UNSENT_BYTES)
        self._head_timer = self.loop.call_later(_MAX_HEAD_SECONDS, self._give_up_head)

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_timers()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._head_timer is None and (self.cycle is None or self.cycle.response_complete):
            self._head_timer = self.loop.call_later(_MAX_HEAD_SECONDS, self._give_up_head)
        self._progressed = False
        super().data_received(data)
        self._unread_bytes = 0 if self._progressed else self._unread_bytes + len(data)
        if self._unread_bytes > _MAX_UNREAD_BYTES and not self.transport.is_closing():
            self.send_400_response("The request's headers are too large.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True

    def on_header(self, name: bytes, value: bytes) -> None:
        # What comes after a chunked body says nothing about the request.
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._progressed = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._progressed = True
        super().on_message_complete()

    def _give_up_head(self) -> None:
        self._head_timer = None
        if not self.transport.is_closing():
            if self._unread_bytes:
                self.transport.write(
                    STATUS_LINE[408] + b"content-length: 0\r\nconnection: close\r\n\r\n"
                )
            self.transport.close()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._expect_writing()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing() and self.transport.get_write_buffer_size():
            self._expect_writing()

    def timeout_keep_alive_handler(self) -> None:
        # Closing would wait until what is unsent has been taken.
        self.transport.abort()

    def _expect_writing(self) -> None:
        if self._write_timer is None:
            self._write_timer = self.loop.call_later(_MAX_WRITE_SECONDS, self.transport.abort)

    def _cancel_timers(self) -> None:
        for timer in (self._head_timer, self._write_timer):
            if timer is not None:
                timer.cancel()


class FairServer(Server):
    """uvicorn's, which accepts when it is this worker's turn."""

    place: int | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=[])
        self.servers: list[Any] = [_Acceptor(each, self) for each in sockets or []]

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        connections.leave(self.place)
        await super().shutdown(sockets)

    def protocol(self) -> asyncio.Protocol:
        made: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return made


class _Acceptor:
    """In the place of the event loop's server for one listening socket."""

    def __init__(self, listener: socket.socket, server: FairServer) -> None:
        self._listener = listener
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._beginning: set[asyncio.Task[Any]] = set()
        self._pause: asyncio.TimerHandle | None = None
        listener.setblocking(False)
        self._listen()

    def close(self) -> None:
        if self._pause is None:
            self._loop.remove_reader(self._listener)
        else:
            self._pause.cancel()

    async def wait_closed(self) -> None:
        """Nothing to wait for: uvicorn closes the connections."""

    def _listen(self) -> None:
        self._pause = None
        self._loop.add_reader(self._listener, self._someone_comes)

    def _leave(self, seconds: float) -> None:
        self._loop.remove_reader(self._listener)
        self._pause = self._loop.call_later(seconds, self._return)

    def _return(self) -> None:
        self._listen()
        self._accept()

    def _count(self) -> int:
        count = len(self._server.server_state.connections) + len(self._beginning)
        connections.note(self._server.place, count)
        return count

    def _someone_comes(self) -> None:
        if connections.someone_has_fewer(self._count()):
            self._leave(_LEAVE_SECONDS)
        else:
            self._accept()

    def _accept(self) -> None:
        """One only: the next may be another worker's."""
        try:
            client, _ = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # another worker has it, or it is gone
        except OSError:
            log.exception("no connection can be accepted for a while")
            self._leave(_EXHAUSTED_SECONDS)
            return
        client.setblocking(False)
        task = self._loop.create_task(
            self._loop.connect_accepted_socket(
                self._server.protocol, client, ssl=self._server.config.ssl
            )
        )
        self._beginning.add(task)
        task.add_done_callback(self._begun)

    def _begun(self, task: asyncio.Task[Any]) -> None:
        self._beginning.discard(task)
        self._count()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.info("a connection could not be begun: %s", error)


class Worker(UvicornWorker):
    CONFIG_KWARGS = {
        "loop": "auto",
        "http": Protocol,
        "ws": "none",
        "lifespan": "on",
        "interface": "asgi3",
        # Django decides whom to believe (`BEHIND_PROXY`).
        "proxy_headers": False,
        "server_header": False,
        # How often, in seconds, a worker tells gunicorn that it is alive, and looks for gunicorn.
        "timeout_notify": 1,
    }

    # Among all workers' numbers of connections; given by gunicorn before the fork.
    place: int | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.config.timeout_graceful_shutdown = self.cfg.graceful_timeout

    async def _serve(self) -> None:
        """As the base class has it, but for the server's class."""
        self.config.app = self.wsgi
        server = FairServer(self.config)
        server.place = self.place
        self._install_sigquit_handler()
        await server.serve(sockets=self.sockets)
        if not server.started:
            sys.exit(Arbiter.WORKER_BOOT_ERROR)

    async def callback_notify(self) -> None:
        await super().callback_notify()
        if os.getppid() != self.ppid:
            # gunicorn was killed; its next start needs the port.
            os.kill(os.getpid(), signal.SIGTERM)
