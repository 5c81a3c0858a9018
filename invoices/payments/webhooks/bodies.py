"""Reading the body of a webhook: only what PostgreSQL can store and what looks like an event."""

import json
import math
from typing import Any, NoReturn

_MAX_ID = 255
_MAX_TYPE = 250


class MalformedPayload(ValueError):
    """The body is not an event; the message says why."""


def parse_event(body: bytes) -> dict[str, Any]:
    """The event as its JSON says. Raises `MalformedPayload`.

    A NUL, a lone surrogate, NaN or Infinity are valid for Python but not for a jsonb column.
    """
    try:
        event = json.loads(body.decode(), parse_constant=_refuse_constant)
        _refuse_what_cannot_be_stored(event)
    except (ValueError, RecursionError) as error:
        raise MalformedPayload(f"The body is not JSON that can be stored: {error}") from None
    if not isinstance(event, dict):
        raise MalformedPayload("The body is not a JSON object.")
    if not _is_text(event.get("id"), _MAX_ID):
        raise MalformedPayload("The event has no id.")
    if not _is_text(event.get("type"), _MAX_TYPE):
        raise MalformedPayload("The event has no type.")
    data = event.get("data")
    if not isinstance(data, dict) or not isinstance(data.get("object"), dict):
        raise MalformedPayload("The event is about no object.")
    return event


def _is_text(value: object, longest: int) -> bool:
    return isinstance(value, str) and 0 < len(value) <= longest


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _refuse_what_cannot_be_stored(value: object) -> None:
    pending = [value]
    while pending:
        found = pending.pop()
        if isinstance(found, dict):
            pending += found.keys()
            pending += found.values()
        elif isinstance(found, list):
            pending += found
        elif isinstance(found, str):
            if "\x00" in found:
                raise ValueError("it holds a NUL character")
            found.encode()  # a UnicodeEncodeError for a lone surrogate is a ValueError too
        elif isinstance(found, float) and not math.isfinite(found):
            raise ValueError("it holds a number without bounds")
