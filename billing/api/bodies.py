"""Reading request bodies: bounded, unpacked, and never taken on trust."""

import zlib
from typing import Protocol

from django.conf import settings
from django.http import HttpRequest
from django.http.request import UnreadablePostError

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
    return _announced_length(request) != 0


def read_body(request: HttpRequest) -> bytes:
    """The whole body, unpacked when `Content-Encoding` is gzip; `b""` when there is none.

    Raises `BodyTooLarge` past `API_MAX_BODY_BYTES` as sent or `API_MAX_UNPACKED_BYTES` unpacked,
    `MalformedBody` for a broken gzip stream or one cut short, `UnsupportedEncoding` otherwise.
    """
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("", "identity", "gzip", "x-gzip"):
        raise UnsupportedEncoding(f"Content-Encoding {encoding!r} is not read here; gzip is.")
    body = _read_bounded(request)
    return _unpack(body) if encoding in ("gzip", "x-gzip") and body else body


def _announced_length(request: HttpRequest) -> int | None:
    """Bytes the client says it sends; None when it sends chunks."""
    if "chunked" in request.headers.get("Transfer-Encoding", "").lower():
        return None
    try:
        return max(int(request.META.get("CONTENT_LENGTH") or 0), 0)
    except ValueError:
        return 0


def _read_bounded(request: HttpRequest) -> bytes:
    most = settings.API_MAX_BODY_BYTES
    length = _announced_length(request)
    if length is not None and length > most:
        raise BodyTooLarge(f"The body has {length} bytes; at most {most} are read.")
    try:
        body = _stream(request, length).read(most + 1)
    except UnreadablePostError as error:
        raise MalformedBody("The connection broke before the whole body had arrived.") from error
    if len(body) > most:
        raise BodyTooLarge(f"The body has more than {most} bytes.")
    if length is not None and len(body) < length:
        raise MalformedBody(f"The body ended after {len(body)} of {length} bytes.")
    return body


def _stream(request: HttpRequest, length: int | None) -> _Readable:
    # Django reads nothing where no length is announced. A server that says so ends the input
    # itself when the last chunk has come, so that it can be read without one.
    if length is None and request.META.get("wsgi.input_terminated"):
        stream: _Readable = request.META["wsgi.input"]
        return stream
    return request


def _unpack(packed: bytes) -> bytes:
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
