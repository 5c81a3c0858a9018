"""Argument types of management commands; for `type=` of an argument parser."""

import argparse
import datetime as dt
from uuid import UUID


def aware_time(text: str) -> dt.datetime:
    """An ISO 8601 time with an offset."""
    try:
        at = dt.datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not an ISO 8601 time, as in 2026-11-01T00:00:00+01:00"
        ) from None
    if at.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} needs an offset, as in +01:00 or Z")
    return at


def uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a UUID") from None
