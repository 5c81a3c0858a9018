"""Whether this machine's clock is to be believed, asked before what a wrong one would spoil.

There are two witnesses. The database's clock is another machine's, as a rule. The counter of
seconds since boot is set by nobody: since this process began it has gone as far as the clock,
unless the clock was set. A close that ran a month too early could not be taken back, and a record
that is refused because of its time would be lost by who sent it.
"""

import datetime as dt
import time

from django.conf import settings
from django.db import connection
from django.utils import timezone as clock

from billing.errors import BillingError

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
# Its answer is kept for so long: whoever sends wrong times does not have the database asked each
# time.
_KEPT_SECONDS = 5.0


class ClockInDoubt(BillingError):
    """Nothing was done. It is worth another try once somebody has looked after the clock."""

    status = 503
    code = "clock_in_doubt"
    headers = {"Retry-After": "30"}


class _Witness:
    """What this process has seen of the clock."""

    def __init__(self) -> None:
        self.start = self._offset()
        self.asked_at = float("-inf")
        self.from_database = dt.timedelta()

    def was_set_by(self) -> dt.timedelta:
        return dt.timedelta(seconds=self._offset() - self.start)

    def differs_by(self) -> dt.timedelta:
        """From the database's, in whatever transaction."""
        moment = time.clock_gettime(_CLOCK)
        if moment - self.asked_at > _KEPT_SECONDS:
            with connection.cursor() as cursor:
                cursor.execute("SELECT clock_timestamp()")
                [theirs] = cursor.fetchone() or [clock.now()]
            self.from_database, self.asked_at = clock.now() - theirs, moment
        return self.from_database

    @staticmethod
    def _offset() -> float:
        return time.time() - time.clock_gettime(_CLOCK)


_witness = _Witness()


def set_by() -> dt.timedelta:
    """How far the clock was set since this process began."""
    return _witness.was_set_by()


def ahead_of_the_database() -> dt.timedelta:
    """How far this machine's clock is before the database's; below zero where it is behind."""
    return _witness.differs_by()


def doubt() -> str:
    """What is wrong with the clock, or ""."""
    tolerance = dt.timedelta(seconds=settings.CLOCK_TOLERANCE_SECONDS)
    if not tolerance:
        return ""
    if abs(by := _witness.was_set_by()) > tolerance:
        return (
            f"This machine's clock was set by {_seconds(by)} since this process began: look whether"
            " it is right, and start the process again."
        )
    if abs(by := _witness.differs_by()) > tolerance:
        return f"This machine's clock differs by {_seconds(by)} from the database's."
    return ""


def check_clock() -> None:
    """Raises `ClockInDoubt`."""
    if said := doubt():
        raise ClockInDoubt(said)


def _seconds(by: dt.timedelta) -> str:
    return f"{by.total_seconds():+,.0f} s"
