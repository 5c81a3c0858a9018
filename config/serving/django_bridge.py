"""Django's WSGI application behind an event loop: threads make answers, the loop passes them on.

No thread waits for a client. A request gets one when its whole body has arrived; the thread writes
its response as fast as it can be made, what the client has not taken yet waits on disk, and the
loop sends it. A file is not copied there: the loop reads it as the client takes it.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote_from_bytes, unquote_to_bytes
from wsgiref.types import WSGIApplication

from django.db import close_old_connections

from billing.api.bodies import CollectedBody, Spool

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

# How much of a response is handed to the connection at a time.
_PIECE_BYTES = 32 * 1024
# A response that takes longer is passed on while it is made; how often its end is looked for.
_MAX_SILENT_SECONDS = 0.5
_FOLLOW_SECONDS = 0.05
# Octets of a query string that stand for themselves.
_LITERAL = "".join(map(chr, range(0x21, 0x7F)))


class DjangoBridge:
    """`application` in at most `threads` threads, which start when needed."""

    def __init__(self, application: WSGIApplication, *, threads: int) -> None:
        self._application = application
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="django")

    async def respond(
        self,
        scope: Message,
        headers: Mapping[str, str],
        body: CollectedBody,
        receive: Receive,
        send: Send,
    ) -> None:
        """Answer a request whose body has been collected."""
        loop = asyncio.get_running_loop()
        response = _Response()
        environ = _environ(scope, headers, body)
        making = loop.run_in_executor(self._threads, response.make, self._application, environ)
        try:
            await _pass_on(response, making, receive, send)
        finally:
            response.is_abandoned = True
            await making
            response.close()

    def stop(self) -> None:
        self._threads.shutdown()


class _Abandoned(Exception):
    """Nobody wants the rest."""


class _File:
    """What Django hands over for a response that is a file."""

    def __init__(self, file: Any, block_size: int) -> None:
        self.read = file.read
        self.close = file.close

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self.read(_PIECE_BYTES), b"")


class _Response:
    """Made by a thread, while the event loop may already pass it on."""

    def __init__(self) -> None:
        self.head: Message | None = None
        self.is_abandoned = False
        self._file: _File | None = None
        self._spool = Spool()
        self._offset = 0

    def make(self, application: WSGIApplication, environ: dict[str, Any]) -> None:
        response = application(environ, self._start)
        if isinstance(response, _File):
            self._file = response
        else:
            try:
                for piece in response:
                    self._write(piece)
            except _Abandoned:
                pass
            finally:
                if hasattr(response, "close"):
                    response.close()
        close_old_connections()

    def _start(
        self, status: str, headers: list[tuple[str, str]], exc_info: object = None
    ) -> Callable[[bytes], object]:
        self.head = {
            "type": "http.response.start",
            "status": int(status[:3]),
            "headers": [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in headers],
        }
        return self._write

    def _write(self, piece: bytes) -> None:
        if self.is_abandoned:
            raise _Abandoned
        self._spool.write(piece)

    def next_piece(self) -> bytes:
        if self._file is not None:
            return bytes(self._file.read(_PIECE_BYTES))
        piece = self._spool.read(self._offset, _PIECE_BYTES)
        self._offset += len(piece)
        return piece

    def close(self) -> None:
        self._spool.file.close()
        if self._file is not None:
            self._file.close()


async def _pass_on(
    response: _Response, making: "asyncio.Future[Any]", receive: Receive, send: Send
) -> None:
    """Send all of it, each piece when the client has room; stop when it has left."""
    await asyncio.wait({making}, timeout=_MAX_SILENT_SECONDS)
    while response.head is None and not making.done():
        await asyncio.wait({making}, timeout=_FOLLOW_SECONDS)
    if response.head is None:
        return  # the application failed, which whoever awaits the thread is told
    await send(response.head)
    left: asyncio.Future[Any] | None = None
    try:
        while left is None or not left.done():
            is_made = making.done()  # before looking for more
            piece = response.next_piece()
            is_last = is_made and len(piece) < _PIECE_BYTES
            if piece or is_last:
                message = {"type": "http.response.body", "body": piece, "more_body": not is_last}
                await send(message)
            if is_last:
                return
            if left is None:
                left = asyncio.ensure_future(_has_left(receive))
            if not piece:
                await asyncio.wait({making, left}, timeout=_FOLLOW_SECONDS)
    finally:
        if left is not None:
            left.cancel()


async def _has_left(receive: Receive) -> None:
    """Wait for the client to leave. A request without a body has its empty one told here first."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _environ(scope: Message, headers: Mapping[str, str], body: CollectedBody) -> dict[str, Any]:
    host, port = scope.get("server") or ("localhost", 80)
    client, client_port = scope.get("client") or ("", 0)
    environ: dict[str, Any] = {
        f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()
    }
    for name in ("HTTP_CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING"):
        environ.pop(name, None)
    body.spool.file.seek(0)
    environ["CONTENT_TYPE"] = environ.pop("HTTP_CONTENT_TYPE", "")
    return environ | {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(scope["raw_path"]).decode("latin-1"),
        "QUERY_STRING": quote_from_bytes(scope["query_string"], safe=_LITERAL),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "SERVER_NAME": host,
        "SERVER_PORT": str(port or 0),
        "REMOTE_ADDR": client,
        "REMOTE_PORT": str(client_port),
        "CONTENT_LENGTH": str(body.spool.size),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": body.spool.file,
        "wsgi.errors": sys.stderr,
        "wsgi.file_wrapper": _File,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
