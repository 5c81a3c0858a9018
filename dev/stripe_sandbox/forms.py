"""Decode Stripe's bracketed form encoding (``lines[0][metadata][call]=7``)."""

import re
from typing import Any
from urllib.parse import parse_qsl

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
