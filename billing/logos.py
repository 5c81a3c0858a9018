"""Logos as they may be kept: PNG only, small, whole, and without anything but its pixels.

A vector file can load things and run scripts, and a broken picture would spoil each document it is
on. So nothing of an upload is taken but the chunks that make the picture, each with its sum right.
"""

import struct
import zlib
from collections.abc import Iterator

MAX_BYTES = 256 * 1024
MAX_PIXELS = 2000
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# What draws the picture. Texts, times and profiles are left out.
_KEPT = {b"IHDR", b"PLTE", b"tRNS", b"sRGB", b"gAMA", b"IDAT", b"IEND"}
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}


class NotALogo(ValueError):
    """Why a file is not taken, as whoever uploaded it reads it."""


def clean_logo(content: bytes) -> bytes:
    """The picture alone. Raises `NotALogo`."""
    if len(content) > MAX_BYTES:
        raise NotALogo(f"At most {MAX_BYTES // 1024} KB are taken.")
    if not content.startswith(_SIGNATURE):
        raise NotALogo("A PNG file is expected.")
    kept, pixels, head = [_SIGNATURE], b"", b""
    palette = False
    for kind, data in _chunks(content):
        if kind == b"IHDR":
            head = data
        if kind == b"IDAT":
            pixels += data
        palette |= kind == b"PLTE"
        if kind in _KEPT:
            kept.append(_chunk(kind, data))
    _check_pixels(head, pixels, palette=palette)
    return b"".join(kept)


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Its parts in order: the head first, the end last, nothing behind it that counts."""
    at, first = len(_SIGNATURE), True
    while at + 12 <= len(content):
        (length,) = struct.unpack_from(">I", content, at)
        kind = content[at + 4 : at + 8]
        data = content[at + 8 : at + 8 + length]
        at += 12 + length
        if (
            at > len(content)
            or zlib.crc32(kind + data) != struct.unpack_from(">I", content, at - 4)[0]
        ):
            raise NotALogo("The PNG file is damaged.")
        if first is not (kind == b"IHDR"):
            raise NotALogo("The PNG file is damaged.")
        first = False
        if kind in (b"acTL", b"fcTL", b"fdAT"):
            raise NotALogo("An animation is no logo.")
        yield kind, data
        if kind == b"IEND":
            return
    raise NotALogo("The PNG file is cut off.")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _check_pixels(head: bytes, pixels: bytes, *, palette: bool) -> None:
    if len(head) != 13:
        raise NotALogo("The PNG file is damaged.")
    width, height, depth, colours, method, filtering, interlace = struct.unpack(">IIBBBBB", head)
    if not (0 < width <= MAX_PIXELS and 0 < height <= MAX_PIXELS):
        raise NotALogo(f"At most {MAX_PIXELS} by {MAX_PIXELS} pixels are taken.")
    if (
        depth not in _DEPTHS.get(colours, ())
        or method
        or filtering
        or (colours == 3 and not palette)
    ):
        raise NotALogo("The PNG file is damaged.")
    if interlace:
        raise NotALogo("Save it without interlacing.")
    row = 1 + (width * depth * _SAMPLES[colours] + 7) // 8
    size = height * row
    unpacking = zlib.decompressobj()
    try:
        # No more than the picture has: a small file could unpack to gigabytes.
        unpacked = unpacking.decompress(pixels, size + 1)
    except zlib.error:
        raise NotALogo("The PNG file is damaged.") from None
    if len(unpacked) != size or max(unpacked[::row]) > 4:
        raise NotALogo("The PNG file is damaged.")
