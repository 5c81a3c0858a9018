"""Argument types of management commands; for `type=` of an argument parser."""

import argparse
import datetime as dt
import sys
from uuid import UUID

from django.core.management.base import CommandError
from django.utils import timezone as clock

from billing.times import NotATime, parse_time

_EARLIEST = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
_AHEAD = dt.timedelta(days=400)


def aware_time(text: str) -> dt.datetime:
    """An ISO 8601 time with an offset."""
    try:
        return parse_time(text)
    except NotATime as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error.detail}") from None


def as_of(text: str) -> dt.datetime:
    """A time that work may be done as of: not before 2000, at most 400 days ahead."""
    at = aware_time(text)
    if at < _EARLIEST:
        raise argparse.ArgumentTypeError(f"{text!r} is before the year 2000")
    if at > clock.now() + _AHEAD:
        raise argparse.ArgumentTypeError(f"{text!r} is more than {_AHEAD.days} days ahead")
    return at


def confirm_future(at: dt.datetime, what: str) -> None:
    """Ask whoever sits at a terminal before `what` is done as of a time that has not come.

    A script is not asked: it says what it means.
    """
    if at <= clock.now() or not sys.stdin.isatty():
        return
    answer = input(f"{at.isoformat()} has not come yet. {what} as of then? [y/N] ")
    if answer.strip().lower() not in ("y", "yes"):
        raise CommandError("nothing was done", returncode=1)


def uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a UUID") from None
