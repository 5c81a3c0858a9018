"""Argument types of management commands; for `type=` of an argument parser."""

import argparse
import datetime as dt
from uuid import UUID

from billing.times import NotATime, parse_time


def aware_time(text: str) -> dt.datetime:
    """An ISO 8601 time with an offset."""
    try:
        return parse_time(text)
    except NotATime as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error.detail}") from None


def uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a UUID") from None
