"""How a web worker speaks HTTP: uvicorn's parser and event loop below gunicorn's processes."""

import asyncio
import os
import signal
import sys
from typing import Any

from gunicorn.arbiter import Arbiter  # type: ignore[import-untyped]
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn_worker import UvicornWorker

from config.accepting import FairServer, connections

# What a request line and headers may have together: ten times what a browser with cookies sends.
_MOST_HEAD_BYTES = 64 * 1024


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's, which by itself would collect headers without an end."""

    _in_head = False
    _in_message = False
    _begun = 0
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        connections.add(1)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        connections.add(-1)
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = self._in_message = True
        self._begun += 1
        self._head_bytes = 0

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_message = False
        super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        was_in_message = self._in_message
        self._begun = 0
        super().data_received(data)
        if not self._in_head:
            return
        # All of these bytes are the head's, unless it began behind another request's.
        if self._begun == (0 if was_in_message else 1):
            self._head_bytes += len(data)
        if self._head_bytes > _MOST_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("The request's headers are too large.")


class Worker(UvicornWorker):
    CONFIG_KWARGS = {
        "loop": "auto",
        "http": BoundedProtocol,
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
        connections.take(self.place)
        self.config.app = self.wsgi
        server = FairServer(self.config)
        self._install_sigquit_handler()
        await server.serve(sockets=self.sockets)
        if not server.started:
            sys.exit(Arbiter.WORKER_BOOT_ERROR)

    async def callback_notify(self) -> None:
        await super().callback_notify()
        if os.getppid() != self.ppid:
            # gunicorn was killed; its next start needs the port.
            os.kill(os.getpid(), signal.SIGTERM)
