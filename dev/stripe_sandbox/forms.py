"""Decode Stripe's bracketed form encoding (``lines[0][metadata][call]=7``), and its uploads."""

import hashlib
import re
from typing import Any
from urllib.parse import parse_qsl, urlencode

from dev.stripe_sandbox.context import Upload
from dev.stripe_sandbox.errors import malformed

_SEGMENT = re.compile(r"\[([^\[\]]*)\]")


def parse_form(encoded: str) -> dict[str, Any]:
    """Nested dicts of strings; a list is a dict keyed by position until its type is known."""
    root: dict[str, Any] = {}
    for name, value in parse_qsl(encoded, keep_blank_values=True):
        head, bracket, _ = name.partition("[")
        path = [head, *_SEGMENT.findall(name[len(head) :])] if bracket else [name]
        node = root
        for depth, segment in enumerate(path):
            key = segment if segment else str(len(node))
            if depth == len(path) - 1:
                node[key] = value
                break
            node = node.setdefault(key, {})
            if not isinstance(node, dict):
                raise malformed(f"Invalid object: {head} is given twice", param=head)
    return root


_NAME = re.compile(rb'\bname="([^"]*)"')
_FILENAME = re.compile(rb'\bfilename="([^"]*)"')


def parse_multipart(content_type: str, body: bytes) -> tuple[str, dict[str, Upload]]:
    """The fields of ``multipart/form-data`` in form encoding, and its files by their fields.

    A file's field says its digest, so that the same request is known again.
    """
    boundary = content_type.partition("boundary=")[2].strip('"').encode()
    fields: list[tuple[str, str]] = []
    files: dict[str, Upload] = {}
    for part in body.split(b"--" + boundary)[1:-1] if boundary else []:
        head, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        content = content.removesuffix(b"\r\n")
        named = _NAME.search(head)
        if named is None:
            continue
        name, filename = named[1].decode("utf-8", "replace"), _FILENAME.search(head)
        if filename is None:
            fields.append((name, content.decode("utf-8", "replace")))
            continue
        files[name] = Upload(filename[1].decode("utf-8", "replace"), content)
        fields.append((name, hashlib.sha256(content).hexdigest()))
    return urlencode(fields), files
