"""How a web worker speaks HTTP: uvicorn below gunicorn's processes, with limits that it lacks.

(Those of bodies are in `billing.api.bodies`.)

All workers wait at one listening socket, and whoever wakes first would take all that is there. So
one that has more connections than another leaves a new one to that one for a moment.
"""

import asyncio
import logging
import math
import mmap
import os
import signal
import socket
from functools import partial

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
# So long a connection is left to a worker that has fewer; it may be busy, or about to end.
_LEAVE_SECONDS = 0.005
_TAKEN_AT_ONCE = 16
# What asyncio waits when there are no file descriptors left.
_EXHAUSTED_SECONDS = 1.0

# How many connections each worker has open, and one more; 0: it takes none. In memory that all
# share from the fork on. gunicorn numbers its workers; one that comes round again does no harm.
_taking = memoryview(mmap.mmap(-1, 4 * 128)).cast("i")


def note_worker(number: int, *, taking: int = 0) -> None:
    _taking[number % len(_taking)] = taking


class Protocol(HttpToolsProtocol):
    """uvicorn's, within bounds of size and time."""

    _unread_bytes = 0
    _progressed = False
    # By the event loop's clock.
    _head_until = math.inf
    _written_until = math.inf

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=_MAX_UNSENT_BYTES)
        self._head_until = self.loop.time() + _MAX_HEAD_SECONDS

    def data_received(self, data: bytes) -> None:
        is_idle = self.cycle is None or self.cycle.response_complete
        if is_idle and self._head_until == math.inf:
            self._head_until = self.loop.time() + _MAX_HEAD_SECONDS
        self._progressed = False
        super().data_received(data)
        self._unread_bytes = 0 if self._progressed else self._unread_bytes + len(data)
        if self._unread_bytes > _MAX_UNREAD_BYTES and not self.transport.is_closing():
            self.send_400_response("The request's headers are too large.")

    def on_headers_complete(self) -> None:
        self._head_until = math.inf
        super().on_headers_complete()
        # What comes after a chunked body says nothing about the request.
        self.headers = []

    def on_body(self, body: bytes) -> None:
        self._progressed = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._progressed = True
        super().on_message_complete()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._written_until = math.inf

    def close_when_late(self, now: float) -> None:
        is_closing = self.transport.is_closing()
        is_unread = is_closing and self.transport.get_write_buffer_size()
        if self._written_until == math.inf and (self.flow.write_paused or is_unread):
            self._written_until = now + _MAX_WRITE_SECONDS
        if now > self._written_until:
            self.transport.abort()
        elif now > self._head_until and not is_closing:
            if self._unread_bytes:
                self.transport.write(
                    STATUS_LINE[408] + b"content-length: 0\r\nconnection: close\r\n\r\n"
                )
            self._written_until = now  # who does not take even that is dropped next time
            self.transport.close()


class FairServer(Server):
    """uvicorn's, which accepts when it is this worker's turn."""

    worker = 0
    _accepting: "list[asyncio.Task[None]]"

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=[])
        self._accepting = [asyncio.create_task(self._accept(each)) for each in sockets or []]

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        note_worker(self.worker)
        for task in self._accepting:
            task.cancel()
        await super().shutdown(sockets)
        if not self.force_exit:
            self.config.app.stop()  # type: ignore[union-attr] # an `Application`; all is answered

    async def on_tick(self, counter: int) -> bool:
        self._note_connections()
        if counter % 10 == 0:
            now = asyncio.get_running_loop().time()
            for each in list(self.server_state.connections):
                each.close_when_late(now)  # type: ignore[union-attr] # all are `Protocol`s
        return await super().on_tick(counter)

    async def _accept(self, listener: socket.socket) -> None:
        """One at a time, for the next may be another worker's; several when no other comes, or when
        this one has many: a probe must not wait behind a flood, one by one."""
        loop = asyncio.get_running_loop()
        if listener.family != socket.AF_UNIX:
            # Its connections have it too. The system would hold megabytes for each slow reader.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _MAX_UNSENT_BYTES)
        protocol = partial(Protocol, self.config, self.server_state, self.lifespan.state)
        while True:
            self._note_connections()
            await _readable(listener)
            room = 1 + len(self.server_state.connections) // _TAKEN_AT_ONCE
            if self._note_connections() > min(filter(None, _taking)):
                await asyncio.sleep(_LEAVE_SECONDS)
                room = _TAKEN_AT_ONCE
            clients: list[socket.socket] = []
            try:
                while len(clients) < room:
                    clients.append(listener.accept()[0])
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                pass  # other workers have the rest, or they are gone
            except OSError:
                log.exception("no connection can be accepted for a while")
                await asyncio.sleep(_EXHAUSTED_SECONDS)
            begin = partial(loop.connect_accepted_socket, protocol, ssl=self.config.ssl)
            # One connection's fault must not end the accepting of all others.
            for fault in await asyncio.gather(*map(begin, clients), return_exceptions=True):
                if isinstance(fault, Exception):
                    log.warning("a connection could not be begun", exc_info=fault)

    def _note_connections(self) -> int:
        taking = len(self.server_state.connections) + 1
        note_worker(self.worker, taking=taking)
        return taking


async def _readable(listener: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(listener, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(listener)


class Worker(UvicornWorker):
    CONFIG_KWARGS = {
        "loop": "auto",
        "http": Protocol,
        "ws": "none",
        "lifespan": "off",
        "interface": "asgi3",
        # Django decides whom to believe (`BEHIND_PROXY`).
        "proxy_headers": False,
        "server_header": False,
        # How often, in seconds, a worker tells gunicorn that it is alive, and looks for gunicorn.
        "timeout_notify": 1,
    }

    async def _serve(self) -> None:
        """As the base class has it, but for the server's class."""
        self.config.app = self.wsgi
        self.config.timeout_graceful_shutdown = self.cfg.graceful_timeout
        server = FairServer(self.config)
        server.worker = self.age
        self._install_sigquit_handler()
        await server.serve(sockets=self.sockets)

    async def callback_notify(self) -> None:
        await super().callback_notify()
        if os.getppid() != self.ppid:
            # gunicorn was killed; its next start needs the port.
            os.kill(os.getpid(), signal.SIGTERM)
