"""Bounded reading and unpacking of request bodies."""

import zlib
from typing import Protocol

from django.conf import settings
from django.http import HttpRequest

from billing.errors import BillingError

_GZIP = 16 + zlib.MAX_WBITS


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


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def has_body(request: HttpRequest) -> bool:
    """Whether the request announces a body, by its length or as chunks of unknown number."""
    return announced_length(request) != 0


def read_body(request: HttpRequest) -> bytes:
    """The whole body, unpacked when `Content-Encoding` is gzip; `b""` when there is none.

    Raises `BodyTooLarge` past `API_MAX_BODY_BYTES` as sent or `API_MAX_UNPACKED_BYTES` unpacked,
    `MalformedBody` for a broken gzip stream or one cut short, `UnsupportedEncoding` otherwise.
    """
    packed = is_packed(request)
    body = _read_bounded(request)
    return unpack(body) if packed else body


def is_packed(request: HttpRequest) -> bool:
    """Whether the body is gzip; raises `UnsupportedEncoding` for what is neither that nor plain."""
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("", "identity", "gzip", "x-gzip"):
        raise UnsupportedEncoding(f"Content-Encoding {encoding!r} is not read here; gzip is.")
    return encoding in ("gzip", "x-gzip")


def announced_length(request: HttpRequest) -> int | None:
    """Bytes the client says it sends; None when it sends chunks."""
    if "chunked" in request.headers.get("Transfer-Encoding", "").lower():
        return None
    try:
        return max(int(request.headers.get("Content-Length") or 0), 0)
    except ValueError:
        return 0


class BodyBounds:
    """What a request's body may weigh, told by its headers and then by its bytes."""

    def __init__(self, request: HttpRequest) -> None:
        """Raises `BodyTooLarge` for a body that announces too much."""
        self.most: int = settings.API_MAX_BODY_BYTES
        self.length = announced_length(request)
        if self.length is not None and self.length > self.most:
            raise BodyTooLarge(f"The body has {self.length} bytes; at most {self.most} are read.")

    def check_size(self, size: int) -> None:
        """Of what has arrived so far."""
        if size > self.most:
            raise BodyTooLarge(f"The body has more than {self.most} bytes.")

    def check_end(self, size: int) -> None:
        """Of what has arrived when no more comes."""
        self.check_size(size)
        if self.length is not None and size < self.length:
            raise MalformedBody(f"The body ended after {size} of {self.length} bytes.")


def _read_bounded(request: HttpRequest) -> bytes:
    bounds = BodyBounds(request)
    try:
        body = _stream(request, bounds.length).read(bounds.most + 1)
    except OSError as error:  # Django's UnreadablePostError too
        raise broken_off() from error
    bounds.check_end(len(body))
    return body


def broken_off() -> MalformedBody:
    return MalformedBody("The connection broke before the whole body had arrived.")


def _stream(request: HttpRequest, length: int | None) -> _Readable:
    # Django reads nothing where no length is announced. A server that says so ends the input
    # itself when the last chunk has come, so that it can be read without one.
    if length is None and request.META.get("wsgi.input_terminated"):
        stream: _Readable = request.META["wsgi.input"]
        return stream
    return request


def unpack(packed: bytes) -> bytes:
    """A gzip stream's content, nothing for nothing; raises as `read_body` does."""
    most = settings.API_MAX_UNPACKED_BYTES
    parts: list[bytes] = []
    size = 0
    while packed:
        unpacker = zlib.decompressobj(_GZIP)
        try:
            part = unpacker.decompress(packed, most - size + 1)
        except zlib.error as error:
            raise MalformedBody(f"The body is not gzip: {error}.") from error
        size += len(part)
        if size > most:
            raise BodyTooLarge(f"The body unpacks to more than {most} bytes.")
        if not unpacker.eof:
            raise MalformedBody("The gzip stream of the body is cut short.")
        parts.append(part)
        packed = unpacker.unused_data
    return b"".join(parts)
