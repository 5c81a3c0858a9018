"""Django's WSGI application behind an ASGI server: each request in a thread, bodies streamed.

A response is handed to the event loop in pieces of some size, since each costs two changes of
thread: a page goes over in one, an export of a line at a time in many lines at once.
"""

import asyncio
import io
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote_from_bytes, unquote_to_bytes
from wsgiref.types import WSGIApplication
from wsgiref.util import FileWrapper

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_PIECE_BYTES = 64 * 1024
_PIECE_SECONDS = 0.5
# Octets of a query string that stand for themselves.
_PLAIN = "".join(map(chr, range(0x21, 0x7F)))


class LongWay:
    """An ASGI application: `application` in at most `threads` threads, which start when needed."""

    def __init__(self, application: WSGIApplication, *, threads: int) -> None:
        self._application = application
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="long way")

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise NotImplementedError(f"there is nothing here for {scope['type']}")
        loop = asyncio.get_running_loop()
        exchange = _Exchange(loop, receive, send)
        environ = _environ(scope, exchange)
        await loop.run_in_executor(self._threads, exchange.run, self._application, environ)


class _ClientLeft(Exception):
    pass


class _Exchange:
    """One request and its response, seen from the thread that answers it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, receive: Receive, send: Send) -> None:
        self._loop = loop
        self._receive = receive
        self._send = send
        self._body_ended = False
        self._hung_up: asyncio.Future | None = None
        self._head: Message | None = None

    def run(self, application: WSGIApplication, environ: dict[str, Any]) -> None:
        response = application(environ, self._start_response)
        try:
            self._stream(response)
        except _ClientLeft:
            pass  # nobody wants the rest
        finally:
            if hasattr(response, "close"):
                response.close()

    def read(self) -> bytes:
        """The next piece of the request's body; `b""` at its end.

        Raises `ConnectionResetError` when the client goes away before that.
        """
        while not self._body_ended:
            message = asyncio.run_coroutine_threadsafe(
                _awaited(self._receive()), self._loop
            ).result()
            if message["type"] == "http.disconnect":
                raise ConnectionResetError("the client went away before its body had arrived")
            self._body_ended = not message.get("more_body", False)
            if message.get("body"):
                piece: bytes = message["body"]
                return piece
        return b""

    def _start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: object = None
    ) -> Callable[[bytes], object]:
        self._head = {
            "type": "http.response.start",
            "status": int(status[:3]),
            "headers": [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in headers],
        }
        return self._write

    def _write(self, piece: bytes) -> None:
        self._pass_on(piece, more=True)

    def _stream(self, response: Iterable[bytes]) -> None:
        pieces: list[bytes] = []
        size = 0
        since = time.monotonic()
        for piece in response:
            pieces.append(piece)
            size += len(piece)
            if size >= _PIECE_BYTES or time.monotonic() - since > _PIECE_SECONDS:
                self._pass_on(b"".join(pieces), more=True)
                pieces, size, since = [], 0, time.monotonic()
        self._pass_on(b"".join(pieces), more=False)

    def _pass_on(self, piece: bytes, *, more: bool) -> None:
        asyncio.run_coroutine_threadsafe(self._emit(piece, more), self._loop).result()

    async def _emit(self, piece: bytes, more: bool) -> None:
        """Waits until the client has room for more; raises `_ClientLeft` once it is gone."""
        if self._hung_up is not None and self._hung_up.done():
            raise _ClientLeft
        if self._head is not None:
            await self._send(self._head)
            self._head = None
        await self._send({"type": "http.response.body", "body": piece, "more_body": more})
        if more and self._hung_up is None and self._body_ended:
            self._hung_up = asyncio.ensure_future(self._receive())
        elif not more and self._hung_up is not None:
            self._hung_up.cancel()


async def _awaited(message: Awaitable[Message]) -> Message:
    return await message


class _Input(io.RawIOBase):
    """The request's body as a file."""

    def __init__(self, exchange: _Exchange) -> None:
        self._exchange = exchange
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self._left or self._exchange.read()
        count = min(len(piece), len(buffer))
        buffer[:count] = piece[:count]
        self._left = piece[count:]
        return count


def _environ(scope: Message, exchange: _Exchange) -> dict[str, Any]:
    host, port = scope.get("server") or ("localhost", 80)
    client, client_port = scope.get("client") or ("", 0)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(scope["raw_path"]).decode("latin-1"),
        "QUERY_STRING": quote_from_bytes(scope["query_string"], safe=_PLAIN),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "SERVER_NAME": host,
        "SERVER_PORT": str(port or 0),
        "REMOTE_ADDR": client,
        "REMOTE_PORT": str(client_port),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": io.BufferedReader(_Input(exchange)),
        # Without a length, the input still has an end: that of the last chunk.
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.file_wrapper": _file_in_pieces,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for raw_name, raw_value in scope["headers"]:
        if b"_" in raw_name:
            continue  # it would pass for the one with a dash, which a proxy may vouch for
        name = raw_name.decode("latin-1").upper().replace("-", "_")
        if name not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            name = f"HTTP_{name}"
        value = raw_value.decode("latin-1")
        environ[name] = f"{environ[name]},{value}" if name in environ else value
    return environ


def _file_in_pieces(file: Any, block_size: int) -> FileWrapper:
    return FileWrapper(file, max(block_size, _PIECE_BYTES))
