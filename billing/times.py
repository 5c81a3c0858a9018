"""ISO 8601 times with an offset: one parser for bodies, filters, files and command lines.

Read alike everywhere: `2026-11-22T09:30:00Z`, without seconds, with a space or a small `t`, with
`+00`, `+0000` or `+00:00`, with any number of decimals. Decimals past the microsecond are cut,
never rounded: a time of this month stays in this month.
"""

import datetime as dt
import re

_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d)(:\d\d(?:[.,]\d{1,40})?)?([Zz]|[+-]\d\d(?::?\d\d)?)",
    re.ASCII,
)
_LONGEST = 80


class NotATime(ValueError):
    """Why a text is not such a time; `code` as the API answers it."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def parse_time(text: str) -> dt.datetime:
    """The time in UTC. Raises `NotATime`, with `naive_time` for one that lacks only its offset."""
    match = _TIME.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        if len(text) <= _LONGEST and _TIME.fullmatch(f"{text}Z"):
            raise NotATime("naive_time", "A time needs an offset, as in +02:00 or Z.")
        raise _not_a_time()
    try:
        at = dt.datetime.fromisoformat(f"{match[1]}T{match[2]}{match[3] or ''}{match[4].upper()}")
        return at.astimezone(dt.UTC)
    except ValueError:
        raise _not_a_time() from None
    except OverflowError:
        raise NotATime("invalid_time", "This time is outside of the calendar.") from None


def _not_a_time() -> NotATime:
    return NotATime(
        "invalid_time", "A time with an offset is expected, as in 2026-11-22T09:30:00Z."
    )
