"""Reading request bodies: bounded, unpacked, and never taken on trust.

`meta` below is the `META` of a Django request.
"""

import asyncio
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import suppress
from tempfile import SpooledTemporaryFile
from typing import Any, Protocol

from django.conf import settings
from django.http import HttpRequest

from billing.errors import BillingError

_GZIP = 16 + zlib.MAX_WBITS
# Streams one after the other in one body; of empty ones a million would fit, to no end but work.
_MAX_MEMBERS = 1_001
# Of a body that is being collected, the rest is on disk.
_MAX_IN_MEMORY_BYTES = 64 * 1024
# Of one caller's bodies together, in each process.
_MAX_HELD_BYTES = 512 * 2**20
# A body may take so long, and more by what has arrived.
_MAX_SECONDS = 20.0
_MIN_BYTES_PER_SECOND = 16 * 1024
# What is read and dropped of a body that nobody wants.
_MAX_DROPPED_BYTES = 256 * 2**20
_MAX_DROP_SECONDS = 30.0
_held: Counter[str] = Counter()


class BodyTooLarge(BillingError):
    status = 413
    code = "body_too_large"


class MalformedBody(BillingError):
    """Not what its headers announce."""

    status = 400
    code = "malformed_json"


class UnsupportedEncoding(BillingError):
    status = 415
    code = "unsupported_media_type"


class BodyTooSlow(BillingError):
    status = 408
    code = "request_timeout"


class TooManyBodies(BillingError):
    status = 503
    code = "unavailable"
    headers = {"Retry-After": "2"}


class ClientLeft(Exception):
    """The connection was closed before the whole body had arrived."""


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def has_body(request: HttpRequest) -> bool:
    """Whether the request announces a body, by its length or as chunks of unknown number."""
    return announced_length(request.META) != 0


def announced_length(meta: Mapping[str, Any]) -> int | None:
    """Bytes the client says it sends; None when it sends chunks."""
    if "chunked" in meta.get("HTTP_TRANSFER_ENCODING", "").lower():
        return None
    try:
        return max(int(meta.get("CONTENT_LENGTH") or 0), 0)
    except ValueError:
        return 0


def check_length(length: int | None) -> None:
    """Raise `BodyTooLarge` past `API_MAX_BODY_BYTES`."""
    if length is not None and length > settings.API_MAX_BODY_BYTES:
        raise BodyTooLarge(f"The body is larger than {settings.API_MAX_BODY_BYTES} bytes.")


def is_packed(meta: Mapping[str, Any]) -> bool:
    """Whether the body is gzip; raises `UnsupportedEncoding` for what is neither that nor plain."""
    encoding = meta.get("HTTP_CONTENT_ENCODING", "identity").strip().lower()
    if encoding not in ("", "identity", "gzip", "x-gzip"):
        raise UnsupportedEncoding(f"Content-Encoding {encoding!r} is not read here; gzip is.")
    return encoding in ("gzip", "x-gzip")


def read_body(request: HttpRequest) -> bytes:
    """The whole body, unpacked when `Content-Encoding` is gzip; `b""` when there is none.

    Raises `BodyTooLarge` past `API_MAX_BODY_BYTES` as sent or `API_MAX_UNPACKED_BYTES` unpacked,
    `MalformedBody` for a broken gzip stream or one cut short, `UnsupportedEncoding` otherwise.
    """
    packed = is_packed(request.META)
    length = announced_length(request.META)
    check_length(length)
    try:
        body = _stream(request, length).read(settings.API_MAX_BODY_BYTES + 1)
    except OSError as error:  # Django's UnreadablePostError too
        raise MalformedBody("The connection broke before the whole body had arrived.") from error
    check_length(len(body))
    if length is not None and len(body) < length:
        raise MalformedBody(f"The body ended after {len(body)} of {length} bytes.")
    return unpack(body) if packed else body


def _stream(request: HttpRequest, length: int | None) -> _Readable:
    # Django reads nothing where no length is announced. A server that says so ends the input
    # itself when the last chunk has come, so that it can be read without one.
    if length is None and request.META.get("wsgi.input_terminated"):
        stream: _Readable = request.META["wsgi.input"]
        return stream
    return request


def unpack(packed: bytes) -> bytes:
    """A gzip stream's content, nothing for nothing; raises as `read_body` does."""
    limit = settings.API_MAX_UNPACKED_BYTES
    parts: list[bytes] = []
    size = at = 0
    for _member in range(_MAX_MEMBERS):
        if at == len(packed):
            return b"".join(parts)
        unpacker = zlib.decompressobj(_GZIP)
        while not unpacker.eof:
            # Piece by piece: what is left over behind a member is copied.
            piece = packed[at : at + _MAX_IN_MEMORY_BYTES]
            if not piece:
                raise MalformedBody("The gzip stream of the body is cut short.")
            try:
                part = unpacker.decompress(piece, limit - size + 1)
            except zlib.error as error:
                raise MalformedBody(f"The body is not gzip: {error}.") from error
            size += len(part)
            if size > limit:
                raise BodyTooLarge(f"The body unpacks to more than {limit} bytes.")
            parts.append(part)
            at += len(piece) - len(unpacker.unused_data)
    raise MalformedBody(f"The body has more than {_MAX_MEMBERS - 1} gzip members.")


def body_file() -> SpooledTemporaryFile[bytes]:
    """Where a body is collected: in memory while it is small, then on disk."""
    return SpooledTemporaryFile(_MAX_IN_MEMORY_BYTES)


class CollectedBody:
    """A request's body, collected in `file` on an event loop before any thread is taken for it."""

    def __init__(
        self,
        meta: Mapping[str, Any],
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        file: SpooledTemporaryFile[bytes],
    ) -> None:
        self._length = announced_length(meta)
        self._receive = receive
        self._owner = ""
        self._held = 0
        self.file = file
        self.size = 0
        self.ended = self._length == 0

    async def collect(self, owner: str = "") -> None:
        """Wait for all of it; `owner` names the caller, whose bodies together are bounded.

        Raises `BodyTooLarge`, `BodyTooSlow` and `TooManyBodies`, or `ClientLeft`.
        """
        self._owner = owner
        check_length(self._length)
        if self.ended:
            return
        begin = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(_MAX_SECONDS) as limit:
                while not self.ended:
                    self._keep(await self._next())
                    if not self.ended:
                        seconds = _MAX_SECONDS + self.size / _MIN_BYTES_PER_SECOND
                        limit.reschedule(begin + seconds)
        except TimeoutError:
            raise BodyTooSlow("The body did not arrive in time.") from None

    @property
    def is_on_its_way(self) -> bool:
        """Whether bytes may still come that have not come with the head."""
        is_small = self._length is not None and self._length <= _MAX_IN_MEMORY_BYTES
        return not self.ended and not is_small

    async def drop_rest(self) -> None:
        """Read what still comes, up to a size and a time.

        A connection that is closed with bytes unread is reset, and a client that writes all before
        it reads, as most libraries do, would see that and not the answer.
        """
        dropped = 0
        with suppress(TimeoutError, ClientLeft):
            async with asyncio.timeout(_MAX_DROP_SECONDS):
                while not self.ended and dropped < _MAX_DROPPED_BYTES:
                    dropped += len(await self._next())

    def read(self) -> bytes:
        """All that has been collected."""
        self.file.seek(0)
        return self.file.read()

    def close(self) -> None:
        self.file.close()
        if self._held:
            _held[self._owner] -= self._held
            if not _held[self._owner]:
                del _held[self._owner]

    async def _next(self) -> bytes:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft
        self.ended = not message.get("more_body", False)
        piece: bytes = message.get("body", b"")
        return piece

    def _keep(self, piece: bytes) -> None:
        self.size += len(piece)
        check_length(self.size)
        self.file.write(piece)
        if self.size > _MAX_IN_MEMORY_BYTES:
            _held[self._owner] += self.size - self._held
            self._held = self.size
            if _held[self._owner] > _MAX_HELD_BYTES:
                raise TooManyBodies("Too many bodies are on their way from this caller.")
